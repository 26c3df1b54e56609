// Winograd's convolution with 3x3 filters, F(4x4, 3x3): 4x4 outputs from 6x6 inputs d and the filter g as
// Y = A' [ (G g G') . (B' d B) ] A, where the products . of all channels are one matrix product for each of the 36 elements.
//
// Lanes are channels, so that every number is computed in the same order wherever its tile stands and whatever the level.
// The points are 0, +-1/sqrt 2, +-sqrt 2 and infinity: the usual 0, +-1, +-2 have three times the error. Barabasz, Anderson, Soodhalter,
// Gregg: Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks (2020). The factors 1/3 and 1/6 of the
// interpolation are A's: there they multiply sums, in G they would cost each filter two more roundings.
import CSwiftNN

/// Length of a chain of multiply-adds. Chains are added up over depthBlock, and these sums over the channels: one chain over all channels
/// would lose two to four times as many digits.
private let chain = 16
/// Blocks of B of this depth stay in the nearest cache.
private let depthBlock = 128

/// Six numbers to y, ys apart.
@inline(__always)
func storeSix<V: Wide>(_ v: (V, V, V, V, V, V), _ y: UnsafeMutablePointer<V.Scalar>, _ ys: Int) {
    v.0.store(y)
    v.1.store(y + ys)
    v.2.store(y + 2 &* ys)
    v.3.store(y + 3 &* ys)
    v.4.store(y + 4 &* ys)
    v.5.store(y + 5 &* ys)
}

/// B' of one line.
@inline(__always)
func inputLine<V: Wide>(_ d0: V, _ d1: V, _ d2: V, _ d3: V, _ d4: V, _ d5: V) -> (V, V, V, V, V, V) {
    let half = V(0.5), two = V(2), root = V(V.Scalar(0.707_106_781_186_547_6))
    let root2 = root + root
    let even = V.fma(-two, d2, d4), odd = V.fma(-two, d1, d3)
    let even2 = V.fma(-half, d2, d4), odd2 = V.fma(-half, d1, d3)
    return (
        V.fma(V(-2.5), d2, d0 + d4), V.fma(root, odd, even), V.fma(-root, odd, even), V.fma(root2, odd2, even2),
        V.fma(-root2, odd2, even2), V.fma(V(-2.5), d3, d1 + d5)
    )
}

/// The same of 6 numbers at x, xs apart, to y, ys apart. x may be y.
@inline(__always)
private func inputLine<V: Wide>(_ x: UnsafePointer<V.Scalar>, _ xs: Int, _ y: UnsafeMutablePointer<V.Scalar>, _ ys: Int, _: V.Type) {
    let u = inputLine(
        V.load(x), V.load(x + xs), V.load(x + 2 &* xs), V.load(x + 3 &* xs), V.load(x + 4 &* xs), V.load(x + 5 &* xs))
    storeSix(u, y, ys)
}

/// A' of one line, each of its four numbers beginning with `start`.
@inline(__always)
func outputLine<V: Wide>(_ t0: V, _ t1: V, _ t2: V, _ t3: V, _ t4: V, _ t5: V, _ start: V) -> (V, V, V, V) {
    let sixth = V(1) / V(6), rootThird = V(V.Scalar(0.235_702_260_395_515_84)), two = V(2)
    let sum = t1 + t2, difference = t1 - t2
    let sum2 = t3 + t4, difference2 = t3 - t4
    return (
        start + V.fma(sixth, V.fma(-two, sum, sum2), t0), V.fma(rootThird, difference2 - difference, start),
        V.fma(sixth, V.fma(two, sum2, -sum), start), V.fma(rootThird + rootThird, V.fma(V(-0.25), difference, difference2), start + t5)
    )
}

/// The same of 6 numbers at x, xs apart, to 4 numbers at y, ys apart. x may be y.
@inline(__always)
private func outputLine<V: Wide>(_ x: UnsafePointer<V.Scalar>, _ xs: Int, _ start: V, _ y: UnsafeMutablePointer<V.Scalar>, _ ys: Int) {
    let v = outputLine(
        V.load(x), V.load(x + xs), V.load(x + 2 &* xs), V.load(x + 3 &* xs), V.load(x + 4 &* xs), V.load(x + 5 &* xs), start)
    v.0.store(y)
    v.1.store(y + ys)
    v.2.store(y + 2 &* ys)
    v.3.store(y + 3 &* ys)
}

/// G of one line.
@inline(__always)
private func filterLine<V: Wide>(_ g0: V, _ g1: V, _ g2: V) -> (V, V, V, V, V, V) {
    let root2 = V(V.Scalar(1.414_213_562_373_095_1))
    let even = V.fma(V(2), g0, g2), even2 = V.fma(V(2), g2, g0)
    return (g0, V.fma(root2, g1, even), V.fma(-root2, g1, even), V.fma(root2, g1, even2), V.fma(-root2, g1, even2), g2)
}

/// A of one line without its factors -1/6 (elements 1 and 2) and 1/6 (3 and 4): 4 numbers at x, xs apart, to 6 numbers at y, ys apart. x may
/// be y.
@inline(__always)
private func gradientLine<V: Wide>(_ x: UnsafePointer<V.Scalar>, _ xs: Int, _ y: UnsafeMutablePointer<V.Scalar>, _ ys: Int, _: V.Type) {
    let d0 = V.load(x), d1 = V.load(x + xs), d2 = V.load(x + 2 &* xs), d3 = V.load(x + 3 &* xs)
    let two = V(2), root = V(V.Scalar(0.707_106_781_186_547_6))
    let root2 = root + root
    let even = V.fma(two, d0, d2), odd = V.fma(two, d1, d3)
    let even2 = V.fma(two, d2, d0), odd2 = V.fma(two, d3, d1)
    storeSix(
        (d0, V.fma(root, odd, even), V.fma(-root, odd, even), V.fma(root2, odd2, even2), V.fma(-root2, odd2, even2), d3), y, ys)
}

/// G' of one line, with the factors that gradientLine leaves out: 6 numbers at x, xs apart, to 3 at y, ys apart. x may be y.
@inline(__always)
private func filterGradientLine<V: Wide>(
    _ x: UnsafePointer<V.Scalar>, _ xs: Int, _ y: UnsafeMutablePointer<V.Scalar>, _ ys: Int, _: V.Type
) {
    let p0 = V.load(x), p1 = V.load(x + xs), p2 = V.load(x + 2 &* xs)
    let p3 = V.load(x + 3 &* xs), p4 = V.load(x + 4 &* xs), p5 = V.load(x + 5 &* xs)
    let sixth = V(1) / V(6), two = V(2)
    let sum = p1 + p2, sum2 = p3 + p4
    V.fma(sixth, V.fma(-two, sum, sum2), p0).store(y)
    (V(V.Scalar(0.235_702_260_395_515_84)) * ((p3 - p4) - (p1 - p2))).store(y + ys)
    V.fma(sixth, V.fma(two, sum2, -sum), p5).store(y + 2 &* ys)
}

/// U = B' d B of tiles side by side, `lanes` channels at a time.
@inline(never)
func winogradInput<T: Real>(_ argument: UnsafePointer<snn_winograd_row>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let lanes = V.lanes
    let image = p.image.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let window = p.scratch.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let planes = p.planes.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let cs = Int(p.cs), hs = Int(p.hs), ws = Int(p.ws), channels = Int(p.channels), tiles = Int(p.tiles)
    let h0 = Int(p.h0), h1 = Int(p.h1), w0 = Int(p.w0), w1 = Int(p.w1)
    let plane = Int(p.plane), row = Int(p.row)
    let width = 4 &* tiles &+ 2
    let line = width &* lanes
    var c = 0
    while c < channels {
        let valid = min(lanes, channels &- c)
        // The window, channels innermost; what lies outside the image is zero.
        for y in 0..<6 {
            let to = window + y &* line
            if y < h0 || y >= h1 || w1 <= w0 {
                fill(to, 0, line)
                continue
            }
            fill(to, 0, w0 &* lanes)
            fill(to + w1 &* lanes, 0, (width &- w1) &* lanes)
            gather(image + (c &* cs &+ (y &- h0) &* hs), cs, ws, valid, w1 &- w0, to + w0 &* lanes)
        }
        for x in 0..<width {
            let column = window + x &* lanes
            inputLine(column, line, column, line, V.self)
        }
        for t in 0..<tiles {
            let to = planes + (t &* row &+ c)
            for y in 0..<6 {
                inputLine(window + (y &* line &+ t &* 4 &* lanes), lanes, to + y &* 6 &* plane, plane, V.self)
            }
        }
        c &+= lanes
    }
}

/// A dy A' of tiles side by side, `lanes` channels at a time; what lies outside the gradient is zero.
@inline(never)
func winogradGradient<T: Real>(_ argument: UnsafePointer<snn_winograd_row>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let lanes = V.lanes
    let image = p.image.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let window = p.scratch.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let planes = p.planes.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let cs = Int(p.cs), hs = Int(p.hs), ws = Int(p.ws), channels = Int(p.channels), tiles = Int(p.tiles)
    let h1 = Int(p.h1), w1 = Int(p.w1), plane = Int(p.plane), row = Int(p.row)
    let width = 4 &* tiles
    let line = width &* lanes
    var c = 0
    while c < channels {
        let valid = min(lanes, channels &- c)
        for y in 0..<4 {
            let to = window + y &* line
            if y >= h1 {
                fill(to, 0, line)
                continue
            }
            fill(to + w1 &* lanes, 0, (width &- w1) &* lanes)
            gather(image + (c &* cs &+ y &* hs), cs, ws, valid, w1, to)
        }
        for x in 0..<width {
            let column = window + x &* lanes
            gradientLine(column, line, column, line, V.self)
        }
        for t in 0..<tiles {
            let to = planes + (t &* row &+ c)
            for y in 0..<6 { gradientLine(window + (y &* line &+ t &* 4 &* lanes), lanes, to + y &* 6 &* plane, plane, V.self) }
        }
        c &+= lanes
    }
}

/// to[x * lanes + c] = from[c * cs + x * ws] for c in 0 ..< valid, x in 0 ..< n; zero for the other channels of a vector.
@inline(__always)
private func gather<T: Real>(_ from: UnsafePointer<T>, _ cs: Int, _ ws: Int, _ valid: Int, _ n: Int, _ to: UnsafeMutablePointer<T>) {
    let lanes = T.Vector.lanes
    let block = T.transposeBlock
    if valid < lanes { fill(to, 0, n &* lanes) }
    if cs == 1 {
        for x in 0..<n {
            if valid == lanes {
                T.Vector.load(from + x &* ws).store(to + x &* lanes)
            } else {
                for c in 0..<valid { to[x &* lanes &+ c] = from[x &* ws &+ c] }
            }
        }
        return
    }
    var c = 0
    if ws == 1 && n >= block {
        while c &+ block <= valid {
            var x = 0
            while x < n {
                // the last block overlaps the one before it
                let at = min(x, n &- block)
                T.transpose(from + (c &* cs &+ at), cs, to + (at &* lanes &+ c), lanes)
                x &+= block
            }
            c &+= block
        }
    }
    while c < valid {
        for x in 0..<n { to[x &* lanes &+ c] = from[c &* cs &+ x &* ws] }
        c &+= 1
    }
}

/// y = act(bias + A' M A) of tiles side by side, `lanes` channels at a time.
@inline(never)
func winogradOutput<T: Real>(_ argument: UnsafePointer<snn_winograd_row>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let lanes = V.lanes
    let image = p.image.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let window = p.scratch.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let planes = p.planes.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let bias = p.bias?.assumingMemoryBound(to: T.self)
    let cs = Int(p.cs), hs = Int(p.hs), channels = Int(p.channels), tiles = Int(p.tiles)
    let h1 = Int(p.h1), w1 = Int(p.w1)
    let plane = Int(p.plane), row = Int(p.row)
    let line = 4 &* tiles &* lanes
    var c = 0
    while c < channels {
        let valid = min(lanes, channels &- c)
        for t in 0..<tiles {
            let from = planes + (t &* row &+ c)
            for y in 0..<6 {
                outputLine(from + y &* 6 &* plane, plane, V.zero, window + (y &* line &+ t &* 4 &* lanes), lanes)
            }
        }
        let start = bias.map { valid == lanes ? V.load($0 + c) : withPadding(0, $0 + c, valid, V.self) } ?? V(0)
        for x in 0..<w1 {
            let column = window + x &* lanes
            outputLine(column, line, start, column, line)
        }
        for y in 0..<h1 {
            let from = window + y &* line
            if p.activation >= 0 { unary(Int(p.activation), p.alpha, p.beta, from, from, w1 &* lanes, T.self) }
            scatter(from, valid, w1, image + (c &* cs &+ y &* hs), cs)
        }
        c &+= lanes
    }
}

/// to[c * cs + x] = from[x * lanes + c] for c in 0 ..< valid, x in 0 ..< n.
@inline(__always)
private func scatter<T: Real>(_ from: UnsafePointer<T>, _ valid: Int, _ n: Int, _ to: UnsafeMutablePointer<T>, _ cs: Int) {
    let lanes = T.Vector.lanes
    let block = T.transposeBlock
    var c = 0
    if n >= block {
        while c &+ block <= valid {
            var x = 0
            while x < n {
                let at = min(x, n &- block)
                T.transpose(from + (at &* lanes &+ c), lanes, to + (c &* cs &+ at), cs)
                x &+= block
            }
            c &+= block
        }
    }
    while c < valid {
        for x in 0..<n { to[c &* cs &+ x] = from[x &* lanes &+ c] }
        c &+= 1
    }
}

/// V = G g G' of `lanes` filters: x holds element (c, r, s) of filter o at ((c * 3 + r) * 3 + s) * lanes + o.
@inline(never)
func winogradFilter<T: Real>(_ x: UnsafePointer<T>, _ channels: Int, _ y: UnsafeMutablePointer<T>, _ plane: Int) {
    typealias V = T.Vector
    let lanes = V.lanes
    for c in 0..<channels {
        let g = x + c &* 9 &* lanes, to = y + c &* lanes
        @inline(__always) func column(_ s: Int) -> (V, V, V, V, V, V) {
            filterLine(V.load(g + s &* lanes), V.load(g + (3 &+ s) &* lanes), V.load(g + (6 &+ s) &* lanes))
        }
        let p = column(0), q = column(1), r = column(2)
        storeSix(filterLine(p.0, q.0, r.0), to, plane)
        storeSix(filterLine(p.1, q.1, r.1), to + 6 &* plane, plane)
        storeSix(filterLine(p.2, q.2, r.2), to + 12 &* plane, plane)
        storeSix(filterLine(p.3, q.3, r.3), to + 18 &* plane, plane)
        storeSix(filterLine(p.4, q.4, r.4), to + 24 &* plane, plane)
        storeSix(filterLine(p.5, q.5, r.5), to + 30 &* plane, plane)
    }
}

/// Vectors of filters, `panel` apart, channel by channel, to panels of channels, filter by filter.
@inline(never)
func winogradTurn<T: Real>(
    _ x: UnsafePointer<T>, _ panel: Int, _ channels: Int, _ depth: Int, _ y: UnsafeMutablePointer<T>
) {
    let lanes = T.Vector.lanes
    let block = T.transposeBlock
    var c = 0
    while c < channels {
        let valid = min(lanes, channels &- c)
        var o = 0
        while o < depth {
            let count = min(lanes, depth &- o)
            let from = x + ((o / lanes) &* panel &+ c &* lanes)
            let to = y + (c &* depth &+ o &* lanes)
            if valid == lanes && count == lanes {
                var i = 0
                while i < lanes {
                    var j = 0
                    while j < lanes {
                        T.transpose(from + (i &* lanes &+ j), lanes, to + (j &* lanes &+ i), lanes)
                        j &+= block
                    }
                    i &+= block
                }
            } else {
                for j in 0..<count {
                    for i in 0..<lanes { to[j &* lanes &+ i] = i < valid ? from[i &* lanes &+ j] : 0 }
                }
            }
            o &+= lanes
        }
        c &+= lanes
    }
}

/// G' P G of one vector of filters.
@inline(never)
func winogradFilterGradient<T: Real>(
    _ x: UnsafePointer<T>, _ plane: Int, _ row: Int, _ channels: Int, _ filters: Int, _ scratch: UnsafeMutablePointer<T>,
    _ y: UnsafeMutablePointer<T>, _ yRow: Int
) {
    typealias V = T.Vector
    let lanes = V.lanes
    withUnsafeTemporaryAllocation(of: T.self, capacity: 18 * lanes) { buffer in
        let tall = buffer.baseAddress.unsafelyUnwrapped
        for c in 0..<channels {
            for i in 0..<6 { filterGradientLine(x + (i &* 6 &* plane &+ c &* row), plane, tall + i &* 3 &* lanes, lanes, V.self) }
            let to = scratch + c &* 9 &* lanes
            for s in 0..<3 { filterGradientLine(tall + s &* lanes, 3 &* lanes, to + s &* lanes, 3 &* lanes, V.self) }
        }
    }
    scatter(scratch, filters, channels &* 9, y, yRow)
}

/// C = A' B, or C + A' B, for row-major A, B and C: what the product of planes is for the filters' gradient.
@inline(never)
func winogradOuter<T: Real>(_ argument: UnsafePointer<snn_winograd_outer>, _: T.Type) {
    let p = argument.pointee
    let a = p.a.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let b = p.b.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let c = p.c.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let m = Int(p.m), n = Int(p.n), k = Int(p.k), lda = Int(p.lda), ldb = Int(p.ldb), ldc = Int(p.ldc)
    let w = T.Tile.lanes
    let zero = T.Tile(0)
    var k0 = 0
    while k0 < k {
        let depth = min(depthBlock, k &- k0)
        let first = p.first != 0 && k0 == 0
        var j = 0
        while j < n {
            var i = 0
            while i < m {
                let from = a + (k0 &* lda &+ i), with = b + (k0 &* ldb &+ j), to = c + (i &* ldc &+ j)
                if n &- j > w {
                    outerTile(2, depth, from, lda, with, ldb, to, ldc, first, zero)
                } else {
                    outerTile(1, depth, from, lda, with, ldb, to, ldc, first, zero)
                }
                i &+= 6
            }
            j &+= 2 &* w
        }
        k0 &+= depth
    }
}

/// Six rows of C and one or two vectors. c<i>a, c<i>b are the chains of row i, s<i>a, s<i>b their sums.
@_transparent
private func outerTile<V: TileVector>(
    _ vectors: Int, _ depth: Int, _ a: UnsafePointer<V.Scalar>, _ lda: Int, _ b: UnsafePointer<V.Scalar>, _ ldb: Int,
    _ c: UnsafeMutablePointer<V.Scalar>, _ ldc: Int, _ first: Bool, _ zero: V
) {
    let w = V.lanes
    let two = vectors == 2
    var a = a
    var b = b
    var s0a = zero, s0b = zero, s1a = zero, s1b = zero, s2a = zero, s2b = zero
    var s3a = zero, s3b = zero, s4a = zero, s4b = zero, s5a = zero, s5b = zero
    var rest = depth
    while rest > 0 {
        let length = min(chain, rest)
        var c0a = zero, c0b = zero, c1a = zero, c1b = zero, c2a = zero, c2b = zero
        var c3a = zero, c3b = zero, c4a = zero, c4b = zero, c5a = zero, c5b = zero
        for _ in 0..<length {
            let ba = V.load(b)
            let bb = two ? V.load(b + w) : zero
            var t = V(a[0])
            c0a = .fma(t, ba, c0a); if two { c0b = .fma(t, bb, c0b) }
            t = V(a[1]); c1a = .fma(t, ba, c1a); if two { c1b = .fma(t, bb, c1b) }
            t = V(a[2]); c2a = .fma(t, ba, c2a); if two { c2b = .fma(t, bb, c2b) }
            t = V(a[3]); c3a = .fma(t, ba, c3a); if two { c3b = .fma(t, bb, c3b) }
            t = V(a[4]); c4a = .fma(t, ba, c4a); if two { c4b = .fma(t, bb, c4b) }
            t = V(a[5]); c5a = .fma(t, ba, c5a); if two { c5b = .fma(t, bb, c5b) }
            a += lda
            b += ldb
        }
        s0a = s0a + c0a; if two { s0b = s0b + c0b }
        s1a = s1a + c1a; if two { s1b = s1b + c1b }
        s2a = s2a + c2a; if two { s2b = s2b + c2b }
        s3a = s3a + c3a; if two { s3b = s3b + c3b }
        s4a = s4a + c4a; if two { s4b = s4b + c4b }
        s5a = s5a + c5a; if two { s5b = s5b + c5b }
        rest &-= length
    }
    var to = c
    if !first {
        s0a = s0a + .load(to); if two { s0b = s0b + .load(to + w) }
        to += ldc
        s1a = s1a + .load(to); if two { s1b = s1b + .load(to + w) }
        to += ldc
        s2a = s2a + .load(to); if two { s2b = s2b + .load(to + w) }
        to += ldc
        s3a = s3a + .load(to); if two { s3b = s3b + .load(to + w) }
        to += ldc
        s4a = s4a + .load(to); if two { s4b = s4b + .load(to + w) }
        to += ldc
        s5a = s5a + .load(to); if two { s5b = s5b + .load(to + w) }
        to = c
    }
    s0a.store(to); if two { s0b.store(to + w) }
    to += ldc
    s1a.store(to); if two { s1b.store(to + w) }
    to += ldc
    s2a.store(to); if two { s2b.store(to + w) }
    to += ldc
    s3a.store(to); if two { s3b.store(to + w) }
    to += ldc
    s4a.store(to); if two { s4b.store(to + w) }
    to += ldc
    s5a.store(to); if two { s5b.store(to + w) }
}

/// C = A B, or C + A B, for row-major A and C and B in panels as wide as a vector of `lanes` numbers. Chains of `chain` terms are added up
/// one after the other, and so are the sums over `depthBlock` terms. Rows up to the next multiple of six may be read and written.
@inline(never)
func winogradProduct<T: Real>(_ argument: UnsafePointer<snn_winograd_product>, _: T.Type) {
    let p = argument.pointee
    let a = p.a.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let b = p.b.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let c = p.c.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let m = Int(p.m), n = Int(p.n), k = Int(p.k), lda = Int(p.lda), ldc = Int(p.ldc), panel = Int(p.b_panel)
    let w = T.Tile.lanes
    let lanes = T.Vector.lanes
    let zero = T.Tile(0)
    var k0 = 0
    while k0 < k {
        let depth = min(depthBlock, k &- k0)
        let first = p.first != 0 && k0 == 0
        var j = 0
        while j < n {
            let pair = n &- j > w
            let left = b + ((j / lanes) &* panel &+ k0 &* lanes &+ j % lanes)
            let right = pair ? b + (((j &+ w) / lanes) &* panel &+ k0 &* lanes &+ (j &+ w) % lanes) : left
            var ahead = b + (((j &+ 2 &* w) / lanes) &* panel &+ k0 &* lanes)
            var i = 0
            while i < m {
                let rows = min(6, m &- i)
                let from = a + (i &* lda &+ k0)
                let to = c + (i &* ldc &+ j)
                if pair {
                    if rows <= 2 {
                        productTile(2, 2, depth, from, lda, left, right, ahead, to, ldc, first, zero)
                    } else if rows <= 4 {
                        productTile(4, 2, depth, from, lda, left, right, ahead, to, ldc, first, zero)
                    } else {
                        productTile(6, 2, depth, from, lda, left, right, ahead, to, ldc, first, zero)
                    }
                } else {
                    productTile(6, 1, depth, from, lda, left, left, ahead, to, ldc, first, zero)
                }
                ahead += i == 0 ? panel : 0
                i &+= 6
            }
            j &+= 2 &* w
        }
        k0 &+= depth
    }
}

/// One tile of the product: `rows` rows and one or two vectors. first: C is written, else added to. c<i>a, c<i>b are the chains of row i,
/// s<i>a, s<i>b their sums.
/// Transparent, because the optimiser leaves calls to an always-inline function of this size.
@_transparent
private func productTile<V: TileVector>(
    _ rows: Int, _ vectors: Int, _ depth: Int, _ a: UnsafePointer<V.Scalar>, _ lda: Int, _ left: UnsafePointer<V.Scalar>,
    _ right: UnsafePointer<V.Scalar>, _ ahead: UnsafePointer<V.Scalar>, _ c: UnsafeMutablePointer<V.Scalar>, _ ldc: Int, _ first: Bool,
    _ zero: V
) where V.Scalar: Real {
    let w = V.lanes
    let step = V.Scalar.Vector.lanes
    let two = vectors == 2
    var left = left
    var right = right
    var ahead = ahead
    // rows of A by threes from two pointers: what addressing modes reach
    var a0 = a
    var a3 = a + 3 &* lda
    var s0a = zero, s0b = zero
    var s1a = zero, s1b = zero
    var s2a = zero, s2b = zero
    var s3a = zero, s3b = zero
    var s4a = zero, s4b = zero
    var s5a = zero, s5b = zero
    var rest = depth
    while rest > 0 {
        let length = min(chain, rest)
        var c0a = zero, c0b = zero
        var c1a = zero, c1b = zero
        var c2a = zero, c2b = zero
        var c3a = zero, c3b = zero
        var c4a = zero, c4b = zero
        var c5a = zero, c5b = zero
        for _ in 0..<length {
            let ba = V.load(left)
            let bb = two ? V.load(right) : zero
            // the next panels come from the second-level cache or beyond
            snn_prefetch_near(ahead)
            var t = V(a0[0])
            c0a = .fma(t, ba, c0a); if two { c0b = .fma(t, bb, c0b) }
            t = V(a0[lda]); c1a = .fma(t, ba, c1a); if two { c1b = .fma(t, bb, c1b) }
            if rows > 2 { t = V(a0[2 &* lda]); c2a = .fma(t, ba, c2a); if two { c2b = .fma(t, bb, c2b) } }
            if rows > 3 { t = V(a3[0]); c3a = .fma(t, ba, c3a); if two { c3b = .fma(t, bb, c3b) } }
            if rows > 4 { t = V(a3[lda]); c4a = .fma(t, ba, c4a); if two { c4b = .fma(t, bb, c4b) } }
            if rows > 5 { t = V(a3[2 &* lda]); c5a = .fma(t, ba, c5a); if two { c5b = .fma(t, bb, c5b) } }
            a0 += 1; a3 += 1
            left += step; right += step; ahead += step
        }
        s0a = s0a + c0a; if two { s0b = s0b + c0b }
        s1a = s1a + c1a; if two { s1b = s1b + c1b }
        if rows > 2 { s2a = s2a + c2a; if two { s2b = s2b + c2b } }
        if rows > 3 { s3a = s3a + c3a; if two { s3b = s3b + c3b } }
        if rows > 4 { s4a = s4a + c4a; if two { s4b = s4b + c4b } }
        if rows > 5 { s5a = s5a + c5a; if two { s5b = s5b + c5b } }
        rest &-= length
    }
    if !first {
        s0a = s0a + .load(c); if two { s0b = s0b + .load(c + w) }
        s1a = s1a + .load(c + ldc); if two { s1b = s1b + .load(c + (ldc &+ w)) }
        if rows > 2 { s2a = s2a + .load(c + 2 &* ldc); if two { s2b = s2b + .load(c + (2 &* ldc &+ w)) } }
        if rows > 3 { s3a = s3a + .load(c + 3 &* ldc); if two { s3b = s3b + .load(c + (3 &* ldc &+ w)) } }
        if rows > 4 { s4a = s4a + .load(c + 4 &* ldc); if two { s4b = s4b + .load(c + (4 &* ldc &+ w)) } }
        if rows > 5 { s5a = s5a + .load(c + 5 &* ldc); if two { s5b = s5b + .load(c + (5 &* ldc &+ w)) } }
    }
    s0a.store(c); if two { s0b.store(c + w) }
    s1a.store(c + ldc); if two { s1b.store(c + (ldc &+ w)) }
    if rows > 2 { s2a.store(c + 2 &* ldc); if two { s2b.store(c + (2 &* ldc &+ w)) } }
    if rows > 3 { s3a.store(c + 3 &* ldc); if two { s3b.store(c + (3 &* ldc &+ w)) } }
    if rows > 4 { s4a.store(c + 4 &* ldc); if two { s4b.store(c + (4 &* ldc &+ w)) } }
    if rows > 5 { s5a.store(c + 5 &* ldc); if two { s5b.store(c + (5 &* ldc &+ w)) } }
}
