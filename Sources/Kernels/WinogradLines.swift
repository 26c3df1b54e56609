// Winograd's convolution along rows, F(4, 3): four outputs of a row from six inputs d and three numbers of a filter's row g as
// y = A' [ Σ (G g) . (B' d) ], the sum over the filter's lines (its rows, three columns at a time) and all channels. Where channels are few this is ahead of the algorithm in two
// dimensions (Winograd.swift), whose transforms of every output channel would cost more than the products that they save.
//
// Lanes are tiles side by side, so that results are rows again as soon as four vectors are zipped. The mathematics of a line, and why these
// points: Winograd.swift.
import CSwiftNN

/// The six planes of each line of a row of the image with its border: tile t of line g from the numbers 4t + 3g ..< 4t + 3g + 6 of it. Whole
/// vectors of tiles are written.
@inline(never)
func winogradLine<T: Real>(_ argument: UnsafePointer<snn_winograd_line>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let lanes = V.lanes
    let tiles = Int(p.tiles), plane = Int(p.plane), left = Int(p.left), width = Int(p.width), lines = Int(p.lines)
    let planes = p.planes.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    guard let x = p.x?.assumingMemoryBound(to: T.self) else {
        for j in 0..<(6 &* lines) { fill(planes + j &* plane, 0, tiles) }
        return
    }
    let row = p.scratch.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let columns = (tiles &+ (3 &* lines &+ 2) / 4 &+ lanes &- 1) / lanes &* lanes
    fill(row, 0, left)
    copy(x, Int(p.ws), row + left, width)
    fill(row + (left &+ width), 0, 4 &* columns &- left &- width)
    // Number 4t + i of the row is number t of parts[i].
    let parts = row + 4 &* columns, part = columns &+ lanes
    var t = 0
    while t < columns {
        let (d0, d1, d2, d3) = everyFourth(row + 4 &* t, V.self)
        d0.store(parts + t)
        d1.store(parts + (part &+ t))
        d2.store(parts + (2 &* part &+ t))
        d3.store(parts + (3 &* part &+ t))
        t &+= lanes
    }
    // Tiles behind the last one read on.
    for i in 0..<4 { V.zero.store(parts + (i &* part &+ columns)) }
    for g in 0..<lines {
        let to = planes + 6 &* g &* plane
        @inline(__always) func number(_ j: Int) -> UnsafeMutablePointer<T> {
            parts + ((3 &* g &+ j) % 4 &* part &+ (3 &* g &+ j) / 4)
        }
        let d0 = number(0), d1 = number(1), d2 = number(2), d3 = number(3), d4 = number(4), d5 = number(5)
        t = 0
        while t < tiles {
            let u = inputLine(V.load(d0 + t), V.load(d1 + t), V.load(d2 + t), V.load(d3 + t), V.load(d4 + t), V.load(d5 + t))
            storeSix(u, to + t, plane)
            t &+= lanes
        }
    }
}

/// Numbers 0, 4, 8, ..., numbers 1, 5, 9, ... and so on of four vectors at p.
@inline(__always)
private func everyFourth<V: Wide>(_ p: UnsafePointer<V.Scalar>, _: V.Type) -> (V, V, V, V) {
    let (even0, odd0) = V.loadPairs(p)
    let (even1, odd1) = V.loadPairs(p + 2 &* V.lanes)
    let (first, third) = V.unzip(even0, even1)
    let (second, fourth) = V.unzip(odd0, odd1)
    return (first, second, third, fourth)
}

/// y of a block of two vectors of tiles, or of three, all channels.
@inline(never)
func winogradLineProduct<T: Real>(_ argument: UnsafePointer<snn_winograd_line_product>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let lanes = V.lanes
    // Where registers are as wide as vectors, half of the elements of four channels fill them.
    let wide = T.Tile.lanes == lanes
    let rows = wide ? 4 : min(Level.mr, 8)
    let channels = Int(p.channels), k = Int(p.k), ldy = Int(p.ldy), plane = Int(p.plane)
    let planes = p.planes.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let offsets = p.offsets.unsafelyUnwrapped
    let bias = p.bias?.assumingMemoryBound(to: T.self)
    let y = p.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let sums = p.scratch.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let stream = p.stream != 0
    var w = p.filters.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    var o = 0
    if Level.hasWideTile && p.vectors == 3 {
        while o < channels {
            let to = y + o &* ldy
            let count = min(64, channels &- o)
            threeVectors(planes, plane, offsets, k, w, bias.map { $0 + o }, count, sums, to, ldy, stream, T.self)
            if p.activation >= 0 {
                for i in 0..<count { unary(Int(p.activation), p.alpha, p.beta, to + i &* ldy, to + i &* ldy, 12 &* lanes, T.self) }
            }
            w += 6 &* 64 &* k
            o &+= 64
        }
        if stream { snn_stream_end() }
        return
    }
    while o < channels {
        let to = y + o &* ldy
        let count = min(rows, channels &- o)
        if wide {
            fourChannels(planes, plane, offsets, k, w, bias.map { $0 + o }, count, sums, to, ldy, stream, V.self)
        } else {
            let element = rows &* 2 &* lanes
            for j in 0..<6 {
                oneElement(rows, planes + j &* plane, offsets, k, w + j &* rows &* k, sums + j &* element, 2 &* lanes, T.self)
            }
            for i in 0..<count {
                let start = V(bias?[o &+ i] ?? 0)
                for half in 0..<2 {
                    let t = sums + (2 &* i &+ half) &* lanes
                    let v = outputLine(
                        V.load(t), V.load(t + element), V.load(t + 2 &* element), V.load(t + 3 &* element), V.load(t + 4 &* element),
                        V.load(t + 5 &* element), start)
                    store(v, to + (i &* ldy &+ half &* 4 &* lanes), stream)
                }
            }
        }
        if p.activation >= 0 {
            for i in 0..<count { unary(Int(p.activation), p.alpha, p.beta, to + i &* ldy, to + i &* ldy, 8 &* lanes, T.self) }
        }
        w += 6 &* rows &* k
        o &+= rows
    }
    if stream { snn_stream_end() }
}

/// One element of `rows` channels against two vectors of tiles, by the tile of the GEMM: of all ways to fill few or narrow registers it reads
/// the fewest numbers for what it multiplies.
@inline(__always)
private func oneElement<T: Real>(
    _ rows: Int, _ tiles: UnsafePointer<T>, _ offsets: UnsafePointer<Int64>, _ k: Int, _ filters: UnsafePointer<T>,
    _ sums: UnsafeMutablePointer<T>, _ columns: Int, _: T.Type
) {
    let width = T.Tile.lanes, zero = T.Tile(0)
    var t = 0
    while t < columns {
        gemmTile(
            rows: rows, k: k, a: filters, rs: 1, ks: rows,
            b: PixelColumns<T.Tile>(left: tiles + t, right: tiles + (t &+ width), offset: offsets), start: .zero, c: sums + t, ldc: columns,
            accumulate: false, far: false, stream: false, ahead: filters, aheadStep: 0, zero: zero)
        t &+= 2 &* width
    }
}

/// Many channels against three vectors of tiles, one element after the other: the nearest cache has its planes for all of them, which of
/// more than some ten lines it has not for all elements and filters. The sums wait in the next cache.
@inline(__always)
private func threeVectors<T: Real>(
    _ planes: UnsafePointer<T>, _ plane: Int, _ offsets: UnsafePointer<Int64>, _ k: Int, _ filters: UnsafePointer<T>,
    _ bias: UnsafePointer<T>?, _ count: Int, _ sums: UnsafeMutablePointer<T>, _ to: UnsafeMutablePointer<T>, _ ldy: Int, _ stream: Bool,
    _: T.Type
) {
    typealias V = T.Vector
    let n = V.lanes, element = 24 &* n
    for j in 0..<6 {
        let tiles = planes + j &* plane
        var w = filters + j &* 8 &* k
        var c = sums + j &* element
        var o = 0
        while o < count {
            wideElement(tiles, offsets, k, w, c, T.self)
            w += 6 &* 8 &* k
            c += 6 &* element
            o &+= 8
        }
    }
    for i in 0..<count {
        let start = V(bias?[i] ?? 0)
        let kept = sums + ((i / 8) &* 6 &* element &+ i % 8 &* 3 &* n)
        for v in 0..<3 {
            let t = kept + v &* n
            let y = outputLine(
                V.load(t), V.load(t + element), V.load(t + 2 &* element), V.load(t + 3 &* element), V.load(t + 4 &* element),
                V.load(t + 5 &* element), start)
            store(y, to + (i &* ldy &+ v &* 4 &* n), stream)
        }
    }
}

/// One element of eight channels.
@inline(never)
private func wideElement<T: Real>(
    _ tiles: UnsafePointer<T>, _ offsets: UnsafePointer<Int64>, _ k: Int, _ filters: UnsafePointer<T>, _ sums: UnsafeMutablePointer<T>,
    _: T.Type
) {
    let n = T.Tile.lanes
    gemmWideTile(
        k: k, a: TileRows(filters, filters + 4, rs: 1, ks: 8),
        b: PixelTriples<T.Tile>(first: tiles, second: tiles + n, third: tiles + 2 &* n, offset: offsets), start: .zero, c: sums,
        ldc: 3 &* n, accumulate: false, far: false, stream: false, ahead: nil, aheadStep: 0, unrolled: true, zero: T.Tile(0))
}

/// Four channels against two vectors of tiles, three elements and then the other three: the fewest numbers read for what 24 sums multiply,
/// and half of the results need not wait in memory. a<j> and b<j> are the sums of element j of the first channel's tiles, c<j> and d<j> the
/// second's and so on.
@inline(__always)
private func fourChannels<V: Wide>(
    _ planes: UnsafePointer<V.Scalar>, _ plane: Int, _ offsets: UnsafePointer<Int64>, _ k: Int, _ filters: UnsafePointer<V.Scalar>,
    _ bias: UnsafePointer<V.Scalar>?, _ count: Int, _ sums: UnsafeMutablePointer<V.Scalar>, _ to: UnsafeMutablePointer<V.Scalar>,
    _ ldy: Int, _ stream: Bool, _: V.Type
) {
    let n = V.lanes
    /// Keeps three sums, or makes results of those kept and the other three.
    @inline(__always) func finish(_ half: Int, _ channel: Int, _ vector: Int, _ t0: V, _ t1: V, _ t2: V) {
        let kept = sums + (2 &* channel &+ vector) &* 3 &* n
        if half == 0 {
            t0.store(kept); t1.store(kept + n); t2.store(kept + 2 &* n)
        } else if channel < count {
            let v = outputLine(V.load(kept), V.load(kept + n), V.load(kept + 2 &* n), t0, t1, t2, V(bias?[channel] ?? 0))
            store(v, to + (channel &* ldy &+ vector &* 4 &* n), stream)
        }
    }
    var w = filters
    for half in 0..<2 {
        let elements = planes + 3 &* half &* plane
        var a0 = V.zero, a1 = V.zero, a2 = V.zero, b0 = V.zero, b1 = V.zero, b2 = V.zero
        var c0 = V.zero, c1 = V.zero, c2 = V.zero, d0 = V.zero, d1 = V.zero, d2 = V.zero
        var e0 = V.zero, e1 = V.zero, e2 = V.zero, f0 = V.zero, f1 = V.zero, f2 = V.zero
        var g0 = V.zero, g1 = V.zero, g2 = V.zero, h0 = V.zero, h1 = V.zero, h2 = V.zero
        for i in 0..<k {
            var u = elements + Int(offsets[i])
            var left = V.load(u), right = V.load(u + n), s = V(w[0]), t = V(w[1])
            a0 = .fma(s, left, a0); b0 = .fma(s, right, b0); c0 = .fma(t, left, c0); d0 = .fma(t, right, d0)
            s = V(w[2]); t = V(w[3])
            e0 = .fma(s, left, e0); f0 = .fma(s, right, f0); g0 = .fma(t, left, g0); h0 = .fma(t, right, h0)
            u += plane
            left = .load(u); right = .load(u + n); s = V(w[4]); t = V(w[5])
            a1 = .fma(s, left, a1); b1 = .fma(s, right, b1); c1 = .fma(t, left, c1); d1 = .fma(t, right, d1)
            s = V(w[6]); t = V(w[7])
            e1 = .fma(s, left, e1); f1 = .fma(s, right, f1); g1 = .fma(t, left, g1); h1 = .fma(t, right, h1)
            u += plane
            left = .load(u); right = .load(u + n); s = V(w[8]); t = V(w[9])
            a2 = .fma(s, left, a2); b2 = .fma(s, right, b2); c2 = .fma(t, left, c2); d2 = .fma(t, right, d2)
            s = V(w[10]); t = V(w[11])
            e2 = .fma(s, left, e2); f2 = .fma(s, right, f2); g2 = .fma(t, left, g2); h2 = .fma(t, right, h2)
            w += 12
        }
        finish(half, 0, 0, a0, a1, a2)
        finish(half, 0, 1, b0, b1, b2)
        finish(half, 1, 0, c0, c1, c2)
        finish(half, 1, 1, d0, d1, d2)
        finish(half, 2, 0, e0, e1, e2)
        finish(half, 2, 1, f0, f1, f2)
        finish(half, 3, 0, g0, g1, g2)
        finish(half, 3, 1, h0, h1, h2)
    }
}

@inline(__always)
private func store<V: Wide>(_ v: (V, V, V, V), _ to: UnsafeMutablePointer<V.Scalar>, _ stream: Bool) {
    V.storeZipped(to, v.0, v.1, v.2, v.3, stream: stream)
}
