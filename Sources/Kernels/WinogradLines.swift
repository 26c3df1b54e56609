// Winograd's convolution along rows, F(4, 3): four outputs of a row from six inputs d and three numbers of a filter's row g as
// y = A' [ Σ (G g) . (B' d) ], the sum over the filter's rows and all channels. Where channels are few this is ahead of the algorithm in two
// dimensions (Winograd.swift), whose transforms of every output channel would cost more than the products that they save.
//
// Lanes are tiles side by side, so that results are rows again as soon as four vectors are zipped. The mathematics of a line, and why these
// points: Winograd.swift.
import CSwiftNN

/// The six planes of a row of the image with its border, tile t from the numbers 4t ..< 4t + 6 of it. Whole vectors of tiles are written.
@inline(never)
func winogradLine<T: Real>(_ argument: UnsafePointer<snn_winograd_line>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let lanes = V.lanes
    let tiles = Int(p.tiles), plane = Int(p.plane), left = Int(p.left), width = Int(p.width)
    let planes = p.planes.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    guard let x = p.x?.assumingMemoryBound(to: T.self) else {
        for j in 0..<6 { fill(planes + j &* plane, 0, tiles) }
        return
    }
    let row = p.scratch.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let end = 4 &* ((tiles &+ lanes &- 1) / lanes &* lanes) &+ 4
    fill(row, 0, left)
    copy(x, Int(p.ws), row + left, width)
    fill(row + (left &+ width), 0, end &- left &- width)
    var t = 0
    while t < tiles {
        let d = row + 4 &* t
        let (d0, d1, d2, d3) = everyFourth(d, V.self)
        // Tile t's last two numbers are the next one's first two.
        let (d4, d5, _, _) = everyFourth(d + 4, V.self)
        let u = inputLine(d0, d1, d2, d3, d4, d5)
        let to = planes + t
        u.0.store(to)
        u.1.store(to + plane)
        u.2.store(to + 2 &* plane)
        u.3.store(to + 3 &* plane)
        u.4.store(to + 4 &* plane)
        u.5.store(to + 5 &* plane)
        t &+= lanes
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

/// y of a block of two vectors of tiles, all channels, two of them at a time.
@inline(never)
func winogradLineProduct<T: Real>(_ argument: UnsafePointer<snn_winograd_line_product>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let lanes = V.lanes
    let channels = Int(p.channels), k = Int(p.k), ldy = Int(p.ldy)
    let planes = p.planes.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let offsets = p.offsets.unsafelyUnwrapped
    let filters = p.filters.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let bias = p.bias?.assumingMemoryBound(to: T.self)
    let y = p.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let stream = p.stream != 0
    var o = 0
    while o < channels {
        let w = filters + o &* 6 &* k
        let to = y + o &* ldy
        let start = V(bias?[o] ?? 0)
        // The second of a pair that is none is computed from zeros, and written where the first one goes afterwards.
        let both = o &+ 1 < channels
        let second = both ? to + ldy : to, secondStart = both ? V(bias?[o &+ 1] ?? 0) : start
        if Level.stripVectors == 4 {
            pairOfVectors(planes, Int(p.plane), offsets, k, w, start, secondStart, to, second, stream)
        } else {
            for part in 0..<2 {
                let at = planes + part &* lanes, columns = part &* 4 &* lanes
                oneVector(at, Int(p.plane), offsets, k, w, start, secondStart, to + columns, second + columns, stream)
            }
        }
        if p.activation >= 0 {
            for i in o..<min(o &+ 2, channels) {
                unary(Int(p.activation), p.alpha, p.beta, y + i &* ldy, y + i &* ldy, 8 &* lanes, T.self)
            }
        }
        o &+= 2
    }
    if stream { snn_stream_end() }
}

/// Two channels against two vectors of tiles. a<j> and b<j> are the sums of element j of the first channel's tiles, c<j> and d<j> the
/// second's.
@inline(__always)
private func pairOfVectors<V: Wide>(
    _ planes: UnsafePointer<V.Scalar>, _ plane: Int, _ offsets: UnsafePointer<Int64>, _ k: Int, _ filters: UnsafePointer<V.Scalar>,
    _ start: V, _ secondStart: V, _ to: UnsafeMutablePointer<V.Scalar>, _ second: UnsafeMutablePointer<V.Scalar>, _ stream: Bool
) {
    let n = V.lanes
    var a0 = V.zero, a1 = V.zero, a2 = V.zero, a3 = V.zero, a4 = V.zero, a5 = V.zero
    var b0 = V.zero, b1 = V.zero, b2 = V.zero, b3 = V.zero, b4 = V.zero, b5 = V.zero
    var c0 = V.zero, c1 = V.zero, c2 = V.zero, c3 = V.zero, c4 = V.zero, c5 = V.zero
    var d0 = V.zero, d1 = V.zero, d2 = V.zero, d3 = V.zero, d4 = V.zero, d5 = V.zero
    var w = filters
    for i in 0..<k {
        var u = planes + Int(offsets[i])
        var left = V.load(u), right = V.load(u + n), s = V(w[0]), t = V(w[1])
        a0 = .fma(s, left, a0); b0 = .fma(s, right, b0); c0 = .fma(t, left, c0); d0 = .fma(t, right, d0)
        u += plane
        left = .load(u); right = .load(u + n); s = V(w[2]); t = V(w[3])
        a1 = .fma(s, left, a1); b1 = .fma(s, right, b1); c1 = .fma(t, left, c1); d1 = .fma(t, right, d1)
        u += plane
        left = .load(u); right = .load(u + n); s = V(w[4]); t = V(w[5])
        a2 = .fma(s, left, a2); b2 = .fma(s, right, b2); c2 = .fma(t, left, c2); d2 = .fma(t, right, d2)
        u += plane
        left = .load(u); right = .load(u + n); s = V(w[6]); t = V(w[7])
        a3 = .fma(s, left, a3); b3 = .fma(s, right, b3); c3 = .fma(t, left, c3); d3 = .fma(t, right, d3)
        u += plane
        left = .load(u); right = .load(u + n); s = V(w[8]); t = V(w[9])
        a4 = .fma(s, left, a4); b4 = .fma(s, right, b4); c4 = .fma(t, left, c4); d4 = .fma(t, right, d4)
        u += plane
        left = .load(u); right = .load(u + n); s = V(w[10]); t = V(w[11])
        a5 = .fma(s, left, a5); b5 = .fma(s, right, b5); c5 = .fma(t, left, c5); d5 = .fma(t, right, d5)
        w += 12
    }
    store(outputLine(c0, c1, c2, c3, c4, c5, secondStart), second, stream)
    store(outputLine(d0, d1, d2, d3, d4, d5, secondStart), second + 4 &* n, stream)
    store(outputLine(a0, a1, a2, a3, a4, a5, start), to, stream)
    store(outputLine(b0, b1, b2, b3, b4, b5, start), to + 4 &* n, stream)
}

/// Two channels against one vector of tiles, three elements and then the other three: more sums would not fit the registers, and fewer would
/// read more numbers than they multiply.
@inline(never)
private func oneVector<V: Wide>(
    _ planes: UnsafePointer<V.Scalar>, _ plane: Int, _ offsets: UnsafePointer<Int64>, _ k: Int, _ filters: UnsafePointer<V.Scalar>,
    _ start: V, _ secondStart: V, _ to: UnsafeMutablePointer<V.Scalar>, _ second: UnsafeMutablePointer<V.Scalar>, _ stream: Bool
) {
    let n = V.lanes
    withUnsafeTemporaryAllocation(of: V.Scalar.self, capacity: 12 * n) { buffer in
        let sums = buffer.baseAddress.unsafelyUnwrapped
        for half in 0..<2 {
            var a0 = V.zero, a1 = V.zero, a2 = V.zero, c0 = V.zero, c1 = V.zero, c2 = V.zero
            var w = filters + 6 &* half
            let elements = planes + 3 &* half &* plane
            for i in 0..<k {
                let u = elements + Int(offsets[i])
                var tiles = V.load(u)
                a0 = .fma(V(w[0]), tiles, a0)
                c0 = .fma(V(w[1]), tiles, c0)
                tiles = .load(u + plane)
                a1 = .fma(V(w[2]), tiles, a1)
                c1 = .fma(V(w[3]), tiles, c1)
                tiles = .load(u + 2 &* plane)
                a2 = .fma(V(w[4]), tiles, a2)
                c2 = .fma(V(w[5]), tiles, c2)
                w += 12
            }
            let at = sums + 3 &* half &* n
            a0.store(at); a1.store(at + n); a2.store(at + 2 &* n)
            c0.store(at + 6 &* n); c1.store(at + 7 &* n); c2.store(at + 8 &* n)
        }
        @inline(__always) func output(_ t: UnsafePointer<V.Scalar>, _ start: V) -> (V, V, V, V) {
            outputLine(V.load(t), V.load(t + n), V.load(t + 2 &* n), V.load(t + 3 &* n), V.load(t + 4 &* n), V.load(t + 5 &* n), start)
        }
        store(output(sums + 6 &* n, secondStart), second, stream)
        store(output(sums, start), to, stream)
    }
}

@inline(__always)
private func store<V: Wide>(_ v: (V, V, V, V), _ to: UnsafeMutablePointer<V.Scalar>, _ stream: Bool) {
    V.storeZipped(to, v.0, v.1, v.2, v.3, stream: stream)
}
