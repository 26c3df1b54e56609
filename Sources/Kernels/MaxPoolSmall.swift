// Maxima of small windows, straight from the rows of the input: a vector of neighbouring outputs in registers, or two rows of a narrow plane.
import CSwiftNN

/// Columns and distance of small windows.
private protocol SmallWindow {
    static var columns: Int { get }
    static var stride: Int { get }
}
private enum TwoBeside: SmallWindow {
    @_transparent static var columns: Int { 2 }
    @_transparent static var stride: Int { 1 }
}
private enum ThreeBeside: SmallWindow {
    @_transparent static var columns: Int { 3 }
    @_transparent static var stride: Int { 1 }
}
private enum TwoApart: SmallWindow {
    @_transparent static var columns: Int { 2 }
    @_transparent static var stride: Int { 2 }
}
private enum ThreeApart: SmallWindow {
    @_transparent static var columns: Int { 3 }
    @_transparent static var stride: Int { 2 }
}

/// The maxima of a row of a vector of windows, whose numbers come from load(0), load(1), ...
@inline(__always)
private func smallRow<V: Wide, W: SmallWindow>(_: W.Type, _ load: (Int) -> V) -> V {
    if W.stride == 1 {
        let v = V.larger(load(0), load(1))
        return W.columns == 2 ? v : V.larger(v, load(2))
    }
    let (even, odd) = V.unzip(load(0), load(V.lanes))
    let v = V.larger(even, odd)
    return W.columns == 2 ? v : V.larger(v, V.unzip(load(2), load(V.lanes &+ 2)).even)
}

/// Asks for what windows further down need: these reads jump between rows too much for the CPU to guess them.
@inline(__always)
private func askAhead<T, W: SmallWindow>(_ p: UnsafePointer<T>, _: W.Type) {
    for i in 0..<W.stride { snn_prefetch(p + (4096 &+ 64 &* i) / MemoryLayout<T>.stride) }
}

/// A row of the result: y = max over windows of one to three rows.
@inline(never)
private func smallMaxRow<T: Real, W: SmallWindow>(
    _ columns: WindowColumns<T>, _ row: UnsafePointer<T>, _ rows: Int, _ hs: Int, _ y: UnsafeMutablePointer<T>, _ q: Int, _: W.Type
) {
    typealias V = T.Vector
    var j = 0
    while j < q {
        let column = columns.column(j), from = row + column
        var best: V
        if j >= columns.innerBegin && j < columns.innerEnd {
            @inline(__always) func part(_ p: UnsafePointer<T>) -> V {
                askAhead(p, W.self)
                return smallRow(W.self) { .load(p + $0) }
            }
            best = part(from)
            if rows > 1 { best = V.larger(best, part(from + hs)) }
            if rows > 2 { best = V.larger(best, part(from + 2 &* hs)) }
        } else {
            let bits = Inside.bits(column, columns.w)
            @inline(__always) func part(_ p: UnsafePointer<T>) -> V {
                askAhead(p, W.self)
                return smallRow(W.self) { .load(p + $0, lanes: bits &>> UInt64($0), -.infinity) }
            }
            best = part(from)
            if rows > 1 { best = V.larger(best, part(from + hs)) }
            if rows > 2 { best = V.larger(best, part(from + 2 &* hs)) }
        }
        best.put(y + j, q &- j)
        j &+= V.lanes
    }
}

@inline(never)
private func smallMax<T: Real, W: SmallWindow>(_ a: PoolPlanes<T>, _: W.Type) {
    for plane in 0..<a.planes {
        for p in a.p0..<a.p1 {
            let (first, end) = a.rows.inside(p)
            smallMaxRow(
                a.columns, a.x + (plane &* a.cs &+ (a.rows.top(p) &+ first) &* a.hs), end &- first, a.hs,
                a.y + (plane &* a.p &+ p) &* a.q, a.q, W.self)
        }
    }
}

/// Planes narrower than a vector, windows at a distance: two rows of the result are one vector, whose lanes pick their taps from two rows of
/// the input. These have -inf behind their last column, where taps beyond the border point.
@inline(never)
private func narrowMax<T: Real>(_ a: PoolPlanes<T>) {
    typealias V = T.Vector
    let columns = a.columns, rows = a.rows, q = a.q, taps = columns.kernel
    let inside = Inside.bits(0, columns.w)
    @inline(__always) func places(_ tap: Int) -> SIMD16<Int32> {
        var places = SIMD16<Int32>(repeating: Int32(columns.w))
        for i in 0..<(2 &* q) {
            let column = columns.column(i % q) &+ tap &* columns.dilation
            if column >= 0 && column < columns.w { places[i] = Int32(i < q ? column : V.lanes &+ column) }
        }
        return places
    }
    let first = places(0), second = places(1), third = places(2), fourth = places(3)
    @inline(__always) func take(_ u: V, _ v: V, _ best: inout V) {
        best = V.larger(best, V.pick(u, v, first))
        if taps > 1 { best = V.larger(best, V.pick(u, v, second)) }
        if taps > 2 { best = V.larger(best, V.pick(u, v, third)) }
        if taps > 3 { best = V.larger(best, V.pick(u, v, fourth)) }
    }
    let step = rows.dilation &* a.hs, last = (rows.kernel &- 1) &* rows.dilation
    for plane in 0..<a.planes {
        let x = a.x + plane &* a.cs
        var y = a.y + (plane &* a.p &+ a.p0) &* q
        var p = a.p0
        while p < a.p1 {
            // A last row alone is taken twice.
            let next = min(p &+ 1, a.p1 &- 1), below = (next &- p) &* rows.stride &* a.hs
            var row = x + rows.top(p) &* a.hs
            var best = V(-.infinity)
            if rows.top(p) >= 0 && rows.top(next) &+ last < rows.h {
                for _ in 0..<rows.kernel {
                    take(.load(row, lanes: inside, -.infinity), .load(row + below, lanes: inside, -.infinity), &best)
                    row += step
                }
            } else {
                let upper = rows.inside(p), lower = rows.inside(next)
                for r in 0..<rows.kernel {
                    let u = V.load(row, lanes: r >= upper.first && r < upper.end ? inside : 0, -.infinity)
                    take(u, .load(row + below, lanes: r >= lower.first && r < lower.end ? inside : 0, -.infinity), &best)
                    row += step
                }
            }
            best.put(y, (next &- p &+ 1) &* q)
            y += 2 &* q
            p &+= 2
        }
    }
}

/// The usual windows, where only the maxima are wanted: up to three rows, two or three columns, one or two apart, and up to four columns on
/// narrow planes. False where it would not pay, and nothing is done.
@inline(never)
func maxPoolSmall<T: Real>(_ argument: UnsafePointer<snn_pool>, _: T.Type) -> Bool {
    let p = argument.pointee
    if p.indices != nil { return false }
    let a = PoolPlanes<T>(p)
    if Level.masksLoads && p.stride_w > 1 && p.w < T.Vector.lanes && 2 &* a.q <= T.Vector.lanes && p.kernel_w <= 4 {
        narrowMax(a)
        return true
    }
    if p.kernel_h > 3 || p.dilation_h > 1 || p.dilation_w > 1 { return false }
    if !Level.masksLoads && a.columns.innerBegin >= a.columns.innerEnd { return false }
    switch (p.kernel_w, p.stride_w) {
    case (2, 1): smallMax(a, TwoBeside.self)
    // With a vector in one register, reading nine is faster than keeping three.
    case (3, 1) where T.Tile.lanes == T.Vector.lanes: smallMax(a, ThreeBeside.self)
    case (2, 2): smallMax(a, TwoApart.self)
    case (3, 2): smallMax(a, ThreeApart.self)
    default: return false
    }
    return true
}
