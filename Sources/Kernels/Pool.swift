// One output row of max- and average pooling: first down the columns of the window (contiguous, whole vectors), then along the row.
// Windows reach over the left and right edge; the caller passes only rows that lie inside the image.
import CSwiftNN

struct PoolRow<T: Real> {
    let x: UnsafePointer<T>, hs: Int, ws: Int
    let h0: Int, rows: Int, dilationH: Int
    let w: Int, kernel: Int, stride: Int, padding: Int, dilation: Int
    let q: Int
    let y: UnsafeMutablePointer<T>, indices: UnsafeMutablePointer<Int64>?
    let scratch: UnsafeMutablePointer<T>

    @inline(__always) init(_ p: UnsafePointer<snn_pool_row>) {
        let a = p.pointee
        x = a.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self); hs = Int(a.hs); ws = Int(a.ws)
        h0 = Int(a.h0); rows = Int(a.h1); dilationH = Int(a.dilation_h)
        w = Int(a.w); kernel = Int(a.kernel_w); stride = Int(a.stride_w); padding = Int(a.pad_w); dilation = Int(a.dilation_w)
        q = Int(a.q)
        y = a.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        indices = a.indices
        scratch = a.scratch.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    }

    /// The window's rows reduced to one line with f, column by column, `start` in its border: number i of the padded line at result[i].
    @inline(__always) func reduceColumns(_ start: T, _ f: (T.Vector, T.Vector) -> T.Vector) -> UnsafePointer<T> {
        let line = scratch + padding
        for i in 0..<padding { scratch[i] = start }
        // What the last vectors of outputs read beyond the image.
        let end = reach
        var i = w
        while i < end &- padding {
            line[i] = start
            i &+= 1
        }
        if rows == 0 {
            for i in 0..<w { line[i] = start }
            return UnsafePointer(scratch)
        }
        let top = x + h0 &* hs
        if ws == 1 {
            if rows == 1 {
                map(top, line, w) { (v: T.Vector) in v }
            } else {
                map2(top, top + dilationH &* hs, line, w, f)
                for r in 2..<max(rows, 2) { map2(line, top + r &* dilationH &* hs, line, w, f) }
            }
        } else {
            for i in 0..<w { line[i] = top[i &* ws] }
            for r in 1..<max(rows, 1) {
                let row = top + r &* dilationH &* hs
                for i in 0..<w { storePartial(f(T.Vector(line[i]), T.Vector(row[i &* ws])), line + i, 1) }
            }
        }
        return UnsafePointer(scratch)
    }

    /// The numbers of the padded line that whole vectors of outputs read.
    @inline(__always) var reach: Int {
        Int(snn_pool_row_reach(Int64(w), Int64(padding), Int64(q), Int64(stride), Int64(kernel), Int64(dilation)))
    }

    /// y[j] = f over the window's columns of the padded line.
    @inline(__always)
    func reduceRow(_ line: UnsafePointer<T>, _ f: (T.Vector, T.Vector) -> T.Vector) {
        let lanes = T.Vector.lanes
        var j = 0
        while j < q {
            let from = line + j &* stride
            var v: T.Vector
            if stride == 2 && kernel == 2 && dilation == 1 {
                let (even, odd) = T.Vector.loadPairs(from)
                v = f(even, odd)
            } else {
                v = at(from)
                for s in 1..<max(kernel, 1) { v = f(v, at(from + s &* dilation)) }
            }
            if q &- j >= lanes { v.store(y + j) } else { storePartial(v, y + j, q &- j) }
            j &+= lanes
        }
    }

    /// Every stride-th number from p on.
    @inline(__always)
    private func at(_ p: UnsafePointer<T>) -> T.Vector {
        if stride == 1 { return .load(p) }
        if stride == 2 { return T.Vector.loadPairs(p).even }
        return withUnsafeTemporaryAllocation(of: T.self, capacity: T.Vector.lanes) { buffer in
            let b = buffer.baseAddress.unsafelyUnwrapped
            for i in 0..<T.Vector.lanes { b[i] = p[i &* stride] }
            return .load(b)
        }
    }

    /// The common 2 x 2 window of stride 2 without a border: both rows at once, nothing stored in between. The outputs done.
    @inline(__always)
    func pairs(_ f: (T.Vector, T.Vector) -> T.Vector) -> Int {
        guard kernel == 2, stride == 2, dilation == 1, padding == 0, rows == 2, ws == 1 else { return 0 }
        let lanes = T.Vector.lanes
        let top = x + h0 &* hs
        let bottom = top + dilationH &* hs
        var j = 0
        while j &+ lanes <= q && 2 &* (j &+ lanes) <= w {
            let (a, b) = T.Vector.loadPairs(top + 2 &* j)
            let (c, d) = T.Vector.loadPairs(bottom + 2 &* j)
            f(f(a, b), f(c, d)).store(y + j)
            j &+= lanes
        }
        return j
    }
}

/// The larger value, NaN if either is NaN; the first of equals.
@inline(__always) private func larger<V: Wide>(_ a: V, _ b: V) -> V { V.select(V.isNaN(b), b, V.max(a, b)) }

@inline(never)
func maxPoolRow<T: Real>(_ argument: UnsafePointer<snn_pool_row>, _: T.Type) {
    let p = PoolRow<T>(argument)
    guard let indices = p.indices else {
        if p.pairs(larger) == p.q { return }
        p.reduceRow(p.reduceColumns(-.infinity, larger), larger)
        return
    }
    // With indices: the first of equal values in row-major order, the last NaN; a window of -inf has its first element.
    for j in 0..<p.q {
        var best = -T.infinity
        // Where a window of -inf, or of nothing at all, points: its first element that is not above or before the image.
        let left = j &* p.stride &- p.padding
        var choice = p.h0 &* p.w &+ (left < 0 ? left &+ (p.dilation &- 1 &- left) / p.dilation &* p.dilation : left)
        for r in 0..<p.rows {
            let h = p.h0 &+ r &* p.dilationH
            for s in 0..<p.kernel {
                let column = j &* p.stride &- p.padding &+ s &* p.dilation
                if column < 0 || column >= p.w { continue }
                let v = p.x[h &* p.hs &+ column &* p.ws]
                if v > best || v != v {
                    best = v
                    choice = h &* p.w &+ column
                }
            }
        }
        p.y[j] = best
        indices[j] = Int64(choice)
    }
}

/// Sums of the windows; padding counts as zero. The frame divides.
@inline(never)
func avgPoolRow<T: Real>(_ argument: UnsafePointer<snn_pool_row>, _: T.Type) {
    let p = PoolRow<T>(argument)
    p.reduceRow(p.reduceColumns(0) { $0 + $1 }) { $0 + $1 }
}
