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

    /// scratch = f over the window's rows, column by column.
    @inline(__always) func reduceColumns(_ f: (T.Vector, T.Vector) -> T.Vector) -> UnsafePointer<T> {
        let top = x + h0 &* hs
        if rows == 1 && ws == 1 { return top }
        if ws != 1 {
            for i in 0..<w { scratch[i] = top[i &* ws] }
            for r in 1..<max(rows, 1) {
                let row = top + r &* dilationH &* hs
                for i in 0..<w {
                    let v = T.Vector(row[i &* ws])
                    storePartial(f(T.Vector(scratch[i]), v), scratch + i, 1)
                }
            }
            return UnsafePointer(scratch)
        }
        map2(top, top + dilationH &* hs, scratch, w, f)
        for r in 2..<max(rows, 2) { map2(scratch, top + r &* dilationH &* hs, scratch, w, f) }
        return UnsafePointer(scratch)
    }

    /// y[j] = f over the window's columns of `line`, beginning with `start`.
    @inline(__always)
    func reduceRow(_ line: UnsafePointer<T>, _ start: T, _ f: (T.Vector, T.Vector) -> T.Vector) {
        // outputs whose window lies inside: first <= j < end
        let span = (kernel &- 1) &* dilation
        let first = min(q, (padding &+ stride &- 1) / stride)
        let end = w &- 1 &- span &+ padding < 0 ? 0 : min(q, (w &- 1 &- span &+ padding) / stride &+ 1)
        var j = 0
        while j < q {
            if j >= first && j &+ T.Vector.lanes <= end && stride <= 2 {
                // Even and odd columns of 2 * lanes numbers: for stride 2 the last load may reach one number past the window.
                let base = line + (j &* stride &- padding)
                if stride == 1 {
                    var v = T.Vector.load(base)
                    for s in 1..<max(kernel, 1) { v = f(v, .load(base + s &* dilation)) }
                    v.store(y + j)
                    j &+= T.Vector.lanes
                    continue
                }
                let reach = j &* 2 &- padding &+ span &+ 2 &* T.Vector.lanes
                if reach <= w {
                    var v: T.Vector
                    if kernel == 2 && dilation == 1 {
                        let (even, odd) = T.Vector.loadPairs(base)
                        v = f(even, odd)
                    } else {
                        v = T.Vector.loadPairs(base).even
                        for s in 1..<max(kernel, 1) { v = f(v, T.Vector.loadPairs(base + s &* dilation).even) }
                    }
                    v.store(y + j)
                    j &+= T.Vector.lanes
                    continue
                }
            }
            var v = T.Vector(start)
            for s in 0..<kernel {
                let column = j &* stride &- padding &+ s &* dilation
                if column >= 0 && column < w { v = f(v, T.Vector(line[column])) }
            }
            storePartial(v, y + j, 1)
            j &+= 1
        }
    }
}

/// The larger value, NaN if either is NaN; the first of equals.
@inline(__always) private func larger<V: Wide>(_ a: V, _ b: V) -> V { V.select(V.isNaN(b), b, V.max(a, b)) }

@inline(never)
func maxPoolRow<T: Real>(_ argument: UnsafePointer<snn_pool_row>, _: T.Type) {
    let p = PoolRow<T>(argument)
    guard let indices = p.indices else {
        p.reduceRow(p.reduceColumns(larger), -.infinity, larger)
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
    p.reduceRow(p.reduceColumns { $0 + $1 }, 0) { $0 + $1 }
}
