// Means of windows, their numbers added in one order: vectors of neighbouring outputs, tap by tap.
import CSwiftNN

private struct SumOfTaps<V: Wide>: TapVisitor {
    var sum = V.zero
    @_transparent mutating func take(_ v: V, _ s: Int) { sum = sum + v }
}

/// What windows are divided by: their numbers of rows and of columns, or a given number.
private struct Divisor<T: Real> {
    private let given: Int, countsPadding: Bool
    /// For every column of the result, whole vectors of them.
    let columns: UnsafePointer<T>

    @inline(__always) init(_ a: snn_pool, _ c: WindowColumns<T>, _ buffer: UnsafeMutablePointer<T>) {
        (given, countsPadding, columns) = (Int(a.divisor), a.count_pad != 0, UnsafePointer(buffer))
        let lanes = T.Vector.lanes, q = Int(a.q)
        for j in 0..<((q &+ lanes &- 1) / lanes &* lanes) {
            buffer[j] = given == 0 && j < q ? T(count(c.column(j), c.kernel, c.w, c.padding)) : 1
        }
    }
    @inline(__always) func row(_ p: Int, _ rows: WindowRows) -> T {
        given == 0 ? T(count(rows.top(p), rows.kernel, rows.h, rows.padding)) : T(given)
    }
    /// The rows or columns of a window from `from` on.
    @inline(__always) private func count(_ from: Int, _ kernel: Int, _ size: Int, _ padding: Int) -> Int {
        countsPadding ? min(from &+ kernel, size &+ padding) &- from : min(from &+ kernel, size) &- max(from, 0)
    }
}

/// sum / (rowCount * counts) to the first n lanes of y.
@inline(__always)
private func storeMean<V: Wide>(
    _ sum: V, _ rowCount: V, _ counts: UnsafePointer<V.Scalar>, _ y: UnsafeMutablePointer<V.Scalar>, _ n: Int
) {
    let v = sum / (rowCount * .load(counts))
    if n >= V.lanes { v.store(y) } else { v.store(y, first: n) }
}

/// A line of vectors of the same kind: means of windows of `rows` rows, summed in row-major order.
@inline(never)
private func meanLine<W: Taps>(
    _ taps: W, _ row: UnsafePointer<W.T>, _ rows: Int, _ hs: Int, advance: Int, _ rowCount: W.T, _ counts: UnsafePointer<W.T>,
    _ y: UnsafeMutablePointer<W.T>, _ n: Int
) {
    typealias V = W.T.Vector
    var from = row
    var j = 0
    while j < n {
        var window = SumOfTaps<V>()
        for r in 0..<rows { taps.each(from + r &* hs, &window) }
        storeMean(window.sum, V(rowCount), counts + j, y + j, n &- j)
        from += advance
        j &+= V.lanes
    }
}

/// A column of vectors at the border, down the rows of some planes.
@inline(never)
private func meanColumn<W: Taps>(_ a: PoolPlanes<W.T>, _ divisor: Divisor<W.T>, _ taps: W, _ j: Int, _ plane: Int, _ planes: Int) {
    typealias V = W.T.Vector
    for plane in plane..<(plane &+ planes) {
        for p in a.p0..<a.p1 {
            let (first, end) = a.rows.inside(p)
            let row = a.x + (plane &* a.cs &+ a.rows.top(p) &* a.hs)
            var window = SumOfTaps<V>()
            for r in first..<end { taps.each(row + r &* a.hs, &window) }
            storeMean(window.sum, V(divisor.row(p, a.rows)), divisor.columns + j, a.y + ((plane &* a.p &+ p) &* a.q &+ j), a.q &- j)
        }
    }
}

@inline(never)
private func smallMeans<K: TapKind>(_ argument: UnsafePointer<snn_pool>, _: K.Type) {
    typealias V = K.T.Vector
    let a = PoolPlanes<K.T>(argument.pointee)
    let rows = a.rows, columns = a.columns
    let divisor = Divisor<K.T>(argument.pointee, columns, a.scratch)
    let begin = columns.innerBegin, taps = K.inner(columns, columns.column(begin))
    if begin >= columns.innerEnd {
        eachBlock(a.planes, size: columns.w &* rows.h) { (plane, planes) in
            columns.eachBorder(a.q) { j in meanColumn(a, divisor, K.border(columns, j, 0), j, plane, planes) }
        }
        return
    }
    for plane in 0..<a.planes {
        for p in a.p0..<a.p1 {
            let (first, end) = rows.inside(p)
            let row = a.x + (plane &* a.cs &+ (rows.top(p) &+ first) &* a.hs)
            let y = a.y + (plane &* a.p &+ p) &* a.q
            let rowCount = divisor.row(p, rows)
            columns.eachBorder(a.q) { j in
                meanLine(
                    K.border(columns, j, 0), row, end &- first, a.hs, advance: 0, rowCount, divisor.columns + j, y + j,
                    min(V.lanes, a.q &- j))
            }
            meanLine(
                taps, row, end &- first, a.hs, advance: V.lanes &* columns.stride, rowCount, divisor.columns + begin, y + begin,
                min(columns.innerEnd, a.q) &- begin)
        }
    }
}

/// Means of windows of any size, along the line of the sums of their rows: tap by tap for a vector of windows, or window by window.
@inline(never)
private func largeMeans<K: TapKind>(_ argument: UnsafePointer<snn_pool>, _: K.Type) {
    typealias V = K.T.Vector
    let a = PoolPlanes<K.T>(argument.pointee)
    let rows = a.rows, columns = a.columns
    let divisor = Divisor<K.T>(argument.pointee, columns, a.scratch)
    let vectors = (a.q &+ V.lanes &- 1) / V.lanes
    let line = a.scratch + vectors &* V.lanes
    // The instructions of both ways.
    let byTap = (columns.stride <= 4 ? 2 &* columns.stride : 20) &* columns.kernel &* vectors
    let byWindow = a.q &* (12 &+ columns.kernel / 8)
    let begin = columns.innerBegin, taps = K.inner(columns, columns.column(begin))
    for plane in 0..<a.planes {
        for p in a.p0..<a.p1 {
            let (first, end) = rows.inside(p)
            sumRows(a.x + (plane &* a.cs &+ (rows.top(p) &+ first) &* a.hs), end &- first, a.hs, columns.w, line)
            let y = a.y + (plane &* a.p &+ p) &* a.q
            let rowCount = divisor.row(p, rows)
            if byWindow < byTap {
                for j in 0..<a.q {
                    let left = columns.column(j)
                    let from = max(left, 0), to = min(left &+ columns.kernel, columns.w)
                    y[j] = rowSum(line + from, to &- from) / (rowCount * divisor.columns[j])
                }
                continue
            }
            if begin < columns.innerEnd {
                meanLine(
                    taps, line, 1, 0, advance: V.lanes &* columns.stride, rowCount, divisor.columns + begin, y + begin,
                    min(columns.innerEnd, a.q) &- begin)
            }
            columns.eachBorder(a.q) { j in
                var window = SumOfTaps<V>()
                K.border(columns, j, 0).each(line, &window)
                storeMean(window.sum, V(rowCount), divisor.columns + j, y + j, a.q &- j)
            }
        }
    }
}

/// y = sum of each window / count.
@inline(never)
func avgPool<T: Real>(_ a: UnsafePointer<snn_pool>, _: T.Type) {
    let stride = a.pointee.stride_w
    if stride <= 2 && a.pointee.kernel_h &* a.pointee.kernel_w <= 16 {
        stride == 1 ? smallMeans(a, Dense<T>.self) : smallMeans(a, Pairs<T>.self)
    } else {
        stride == 1 ? largeMeans(a, Dense<T>.self) : largeMeans(a, Strided<T>.self)
    }
}

/// line[i] = the sum of column i of some rows.
@inline(__always)
private func sumRows<T: Real>(_ x: UnsafePointer<T>, _ rows: Int, _ hs: Int, _ w: Int, _ line: UnsafeMutablePointer<T>) {
    typealias V = T.Vector
    var i = 0
    while i < w {
        let rest = w &- i
        var sum = V.zero
        if rest >= V.lanes {
            for r in 0..<rows { sum = sum + .load(x + (r &* hs &+ i)) }
            sum.store(line + i)
        } else {
            for r in 0..<rows { sum = sum + withPadding(0, x + (r &* hs &+ i), rest, V.self) }
            sum.store(line + i, first: rest)
        }
        i &+= V.lanes
    }
}

/// y[p,q] = mean over rows floor(p h / P) ..< ceil((p+1) h / P) and columns alike.
@inline(never)
func adaptiveAvgPool<T: Real>(_ argument: UnsafePointer<snn_adaptive_pool>, _: T.Type) {
    let a = argument.pointee
    let x = a.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    var y = a.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let line = a.scratch.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let h = Int(a.h), w = Int(a.w), outH = Int(a.p), outW = Int(a.q)
    if outH == 1 && outW == 1 {
        for plane in 0..<Int(a.planes) { y[plane] = rowSum(x + plane &* Int(a.cs), h &* w) / T(h &* w) }
        return
    }
    for plane in 0..<Int(a.planes) {
        for p in 0..<outH {
            let h0 = p &* h / outH, h1 = ((p &+ 1) &* h &+ outH &- 1) / outH
            sumRows(x + (plane &* Int(a.cs) &+ h0 &* w), h1 &- h0, w, w, line)
            for q in 0..<outW {
                let w0 = q &* w / outW, w1 = ((q &+ 1) &* w &+ outW &- 1) / outW
                y[q] = rowSum(line + w0, w1 &- w0) / T((h1 &- h0) &* (w1 &- w0))
            }
            y += outW
        }
    }
}
