// Max- and average pooling of planes: vectors of neighbouring outputs, over the taps of their windows in row-major order.
import CSwiftNN

/// The largest number of each lane's window so far: NaN if there was one, the last one, and of equal numbers the first. Taking windows'
/// parts in order gives the same as taking their elements in order.
private protocol Largest {
    associatedtype V: Wide
    /// Vectors that `save` writes.
    static var vectors: Int { get }
    /// Nothing yet: -inf at `start`.
    init(start: V.Places)
    mutating func take(_ v: V, _ place: Int)
    /// The part of the window that `save` left at p, its places counted from `place`.
    mutating func take(saved p: UnsafePointer<V.Scalar>, _ place: Int)
    func save(_ p: UnsafeMutablePointer<V.Scalar>)
    /// n lanes to y, and their places, lane i counted from first + i * step.
    func store(_ y: UnsafeMutablePointer<V.Scalar>, _ n: Int, _ places: UnsafeMutablePointer<Int64>?, first: Int, step: Int)
}

private struct LargestNumber<V: Wide>: Largest {
    var v: V
    @_transparent static var vectors: Int { 1 }
    @_transparent init(start: V.Places) { v = V(-.infinity) }
    @_transparent mutating func take(_ other: V, _ place: Int) { v = V.larger(v, other) }
    @_transparent mutating func take(saved p: UnsafePointer<V.Scalar>, _ place: Int) { v = V.larger(v, V.load(p)) }
    @_transparent func save(_ p: UnsafeMutablePointer<V.Scalar>) { v.store(p) }
    @_transparent
    func store(_ y: UnsafeMutablePointer<V.Scalar>, _ n: Int, _ places: UnsafeMutablePointer<Int64>?, first: Int, step: Int) {
        if n >= V.lanes { v.store(y) } else { v.store(y, first: n) }
    }
}

private struct LargestPlace<V: Wide>: Largest {
    var v: V
    var places: V.Places
    @_transparent static var vectors: Int { 2 }
    @_transparent init(start: V.Places) {
        v = V(-.infinity)
        places = start
    }
    @_transparent mutating func take(_ other: V, _ place: Int) {
        let wins = V.either(V.less(v, other), V.isNaN(other))
        v = V.select(wins, other, v)
        places = V.select(wins, V.places(place), places)
    }
    @_transparent mutating func take(saved p: UnsafePointer<V.Scalar>, _ place: Int) {
        let other = V.load(p)
        let wins = V.either(V.less(v, other), V.isNaN(other))
        v = V.select(wins, other, v)
        places = V.select(wins, V.sum(V.loadPlaces(p + V.lanes), V.places(place)), places)
    }
    @_transparent func save(_ p: UnsafeMutablePointer<V.Scalar>) {
        v.store(p)
        V.storePlaces(places, p + V.lanes)
    }
    @_transparent
    func store(_ y: UnsafeMutablePointer<V.Scalar>, _ n: Int, _ places: UnsafeMutablePointer<Int64>?, first: Int, step: Int) {
        if n >= V.lanes { v.store(y) } else { v.store(y, first: n) }
        if let places { V.store(self.places, first: first, step: step, places, n) }
    }
}

/// Takes a row's taps into the maximum, their places counted from `place`.
private struct LargestTap<L: Largest>: TapVisitor {
    var best: L
    let dilation: Int
    var place = 0
    @_transparent mutating func take(_ v: L.V, _ s: Int) { best.take(v, place &+ s &* dilation) }
}

private struct SumOfTaps<V: Wide>: TapVisitor {
    var sum = V.zero
    @_transparent mutating func take(_ v: V, _ s: Int) { sum = sum + v }
}

/// The planes and rows of a call.
private struct PoolPlanes<T: Real> {
    let x: UnsafePointer<T>, cs: Int, hs: Int
    let rows: WindowRows, columns: WindowColumns<T>
    let planes: Int, p: Int, q: Int, p0: Int, p1: Int
    let y: UnsafeMutablePointer<T>, indices: UnsafeMutablePointer<Int64>?, scratch: UnsafeMutablePointer<T>

    @inline(__always) init(_ a: snn_pool) {
        x = a.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        (cs, hs) = (Int(a.cs), Int(a.hs))
        rows = WindowRows(h: a.h, kernel: a.kernel_h, stride: a.stride_h, padding: a.pad_h, dilation: a.dilation_h)
        columns = WindowColumns(
            w: a.w, kernel: a.kernel_w, stride: a.stride_w, padding: a.pad_w, dilation: a.dilation_w, q: a.q)
        (planes, p, q, p0, p1) = (Int(a.planes), Int(a.p), Int(a.q), Int(a.p0), Int(a.p1))
        y = a.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        indices = a.indices
        scratch = a.scratch.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    }
}

/// A line of vectors of the same kind: y = max over windows of `rows` rows, rowStep apart. `starts` as for a column, or nil: all 0.
@inline(never)
private func maxLine<W: Taps, L: Largest>(
    _ taps: W, _ row: UnsafePointer<W.T>, _ rows: Int, _ rowStep: Int, advance: Int, rowPlace: Int, dilation: Int,
    _ starts: UnsafePointer<W.T>?, _ y: UnsafeMutablePointer<W.T>, _ n: Int, _ places: UnsafeMutablePointer<Int64>?, first: Int,
    stride: Int, _: L.Type
) where L.V == W.T.Vector {
    typealias V = W.T.Vector
    var from = row
    var j = 0
    while j < n {
        var window = LargestTap(best: L(start: starts.map { V.loadPlaces($0) } ?? V.places(0)), dilation: dilation)
        var row = from
        for _ in 0..<rows {
            taps.each(row, &window)
            window.place &+= rowPlace
            row += rowStep
        }
        window.best.store(y + j, n &- j, places.map { $0 + j }, first: first &+ j &* stride, step: stride)
        from += advance
        j &+= V.lanes
    }
}

/// A line of vectors of the same kind reduced along the columns of windows.
@inline(never)
private func reduceLine<W: Taps, L: Largest>(
    _ taps: W, _ row: UnsafePointer<W.T>, advance: Int, dilation: Int, _ to: UnsafeMutablePointer<W.T>, _ vectors: Int, _: L.Type
) where L.V == W.T.Vector {
    typealias V = W.T.Vector
    var from = row
    var to = to
    for _ in 0..<vectors {
        var part = LargestTap(best: L(start: V.places(0)), dilation: dilation)
        taps.each(from, &part)
        part.best.save(to)
        from += advance
        to += L.vectors &* V.lanes
    }
}

/// y = max over `rows` reduced lines, kept in a ring of `ring` numbers, `line` apart, the first of them at `place`. `starts`: of the
/// vectors that begin left of the image.
@inline(never)
private func combineLines<L: Largest>(
    _ kept: UnsafePointer<L.V.Scalar>, _ place: Int, _ rows: Int, _ line: Int, _ ring: Int, rowPlace: Int,
    _ starts: UnsafePointer<L.V.Scalar>, _ started: Int, _ y: UnsafeMutablePointer<L.V.Scalar>, _ n: Int,
    _ places: UnsafeMutablePointer<Int64>?, first: Int, stride: Int, _: L.Type
) {
    typealias V = L.V
    var j = 0
    while j < n {
        var best = L(start: j < started ? V.loadPlaces(starts + j) : V.places(0))
        var at = place
        for r in 0..<rows {
            best.take(saved: kept + (at &+ j &* L.vectors), r &* rowPlace)
            at &+= line
            if at >= ring { at &-= ring }
        }
        best.store(y + j, n &- j, places.map { $0 + j }, first: first &+ j &* stride, step: stride)
        j &+= V.lanes
    }
}

/// Rows p0 ..< p1 of a plane with vectors inside of it. Rows that windows share (`step` > 0) are reduced once and kept.
@inline(never)
private func maxLines<K: TapKind, L: Largest>(_ a: PoolPlanes<K.T>, _ plane: Int, _ step: Int, _: K.Type, _: L.Type)
where L.V == K.T.Vector {
    typealias V = K.T.Vector
    let rows = a.rows, columns = a.columns
    let rowPlace = rows.dilation &* columns.w, rowStep = rows.dilation &* a.hs
    let begin = columns.innerBegin, advance = V.lanes &* columns.stride
    let line = (a.q &+ V.lanes &- 1) / V.lanes &* V.lanes &* L.vectors, ring = rows.kernel &* line
    let starts = a.scratch, started = L.vectors > 1 ? begin : 0, kept = a.scratch + begin
    if started > 0 { storeFirstPlaces(a, starts, begin) }
    let taps = K.inner(columns, begin)
    var next = 0
    var slot = 0
    for p in a.p0..<a.p1 {
        let (first, end) = rows.inside(p)
        let top = rows.top(p)
        let y = a.y + (plane &* a.p &+ p) &* a.q
        let places = a.indices.map { $0 + (plane &* a.p &+ p) &* a.q }
        let row = a.x + (plane &* a.cs &+ top &* a.hs)
        let place = (top &+ first &* rows.dilation) &* columns.w &- columns.padding
        if step == 0 {
            let from = row + first &* rowStep
            columns.eachBorder(a.q) { j in
                maxLine(
                    K.border(columns, j, -.infinity), from, end &- first, rowStep, advance: 0, rowPlace: rowPlace,
                    dilation: columns.dilation, j < started ? starts + j : nil, y + j, min(V.lanes, a.q &- j), places.map { $0 + j },
                    first: place &+ j &* columns.stride, stride: columns.stride, L.self)
            }
            maxLine(
                taps, from, end &- first, rowStep, advance: advance, rowPlace: rowPlace, dilation: columns.dilation, nil, y + begin,
                min(columns.innerEnd, a.q) &- begin, places.map { $0 + begin }, first: place &+ begin &* columns.stride,
                stride: columns.stride, L.self)
            continue
        }
        // Window rows, numbered down the image from row -padding on: those before `next` are kept, row p * step at `slot`.
        var r = max(first, next &- p &* step)
        while r < end {
            let at = slot &+ r &* line
            let to = kept + (at < ring ? at : at &- ring)
            let from = row + r &* rowStep
            columns.eachBorder(a.q) { j in
                reduceLine(
                    K.border(columns, j, -.infinity), from, advance: 0, dilation: columns.dilation, to + j &* L.vectors, 1, L.self)
            }
            reduceLine(
                taps, from, advance: advance, dilation: columns.dilation, to + begin &* L.vectors, (columns.innerEnd &- begin) / V.lanes,
                L.self)
            r &+= 1
        }
        next = p &* step &+ end
        let from = slot &+ first &* line
        combineLines(
            kept, from < ring ? from : from &- ring, end &- first, line, ring, rowPlace: rowPlace, starts, started, y, a.q, places,
            first: place, stride: columns.stride, L.self)
        slot &+= step &* line
        if slot >= ring { slot &-= ring }
    }
}

/// A column of vectors at the border, down the rows of all planes.
@inline(never)
private func maxColumn<W: Taps, L: Largest>(
    _ a: PoolPlanes<W.T>, _ taps: W, _ j: Int, _ plane: Int, _ planes: Int, _ step: Int, _: L.Type
) where L.V == W.T.Vector {
    typealias V = W.T.Vector
    let rows = a.rows, dilation = a.columns.dilation, stride = a.columns.stride
    let column = a.columns.column(j), n = min(V.lanes, a.q &- j)
    let rowPlace = rows.dilation &* a.columns.w, rowStep = rows.dilation &* a.hs
    let vector = L.vectors &* V.lanes, ring = rows.kernel &* vector
    var starts = V.places(0)
    if L.vectors > 1 && column < 0 {
        storeFirstPlaces(a, a.scratch, j &+ V.lanes)
        starts = V.loadPlaces(a.scratch + j)
    }
    for plane in plane..<(plane &+ planes) {
        var at = (plane &* a.p &+ a.p0) &* a.q &+ j
        var next = 0
        var slot = 0
        for p in a.p0..<a.p1 {
            let (first, end) = rows.inside(p)
            let top = rows.top(p)
            let row = a.x + (plane &* a.cs &+ top &* a.hs)
            var best = L(start: V.sum(starts, V.places(first &* rowPlace)))
            var r = first
            if step == 0 {
                var window = LargestTap(best: best, dilation: dilation, place: first &* rowPlace)
                while r < end {
                    taps.each(row + r &* rowStep, &window)
                    window.place &+= rowPlace
                    r &+= 1
                }
                best = window.best
            } else {
                var place = slot &+ first &* vector
                while r < end {
                    if place >= ring { place &-= ring }
                    if p &* step &+ r >= next {
                        var part = LargestTap(best: L(start: V.places(0)), dilation: dilation)
                        taps.each(row + r &* rowStep, &part)
                        part.best.save(a.scratch + place)
                    }
                    best.take(saved: a.scratch + place, r &* rowPlace)
                    place &+= vector
                    r &+= 1
                }
                next = p &* step &+ end
                slot &+= step &* vector
                if slot >= ring { slot &-= ring }
            }
            best.store(a.y + at, n, a.indices.map { $0 + at }, first: top &* a.columns.w &+ column, step: stride)
            at &+= a.q
        }
    }
}

/// Where in the windows of the first n outputs the first element lies that is not left of the image.
@inline(never)
private func storeFirstPlaces<T: Real>(_ a: PoolPlanes<T>, _ to: UnsafeMutablePointer<T>, _ n: Int) {
    let dilation = a.columns.dilation
    to.withMemoryRebound(to: T.Vector.PlaceNumber.self, capacity: n) { b in
        for j in 0..<n {
            let before = -a.columns.column(j)
            b[j] = T.Vector.PlaceNumber(truncatingIfNeeded: before > 0 ? (before &+ dilation &- 1) / dilation &* dilation : 0)
        }
    }
}

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

/// The usual windows, where only the maxima are wanted: up to three rows, two or three columns, one or two apart. False where planes are
/// too narrow for it, and nothing is done.
@inline(never)
private func smallMax<T: Real, W: SmallWindow>(_ argument: UnsafePointer<snn_pool>, _: T.Type, _: W.Type) -> Bool {
    let a = PoolPlanes<T>(argument.pointee)
    if a.columns.innerBegin >= a.columns.innerEnd { return false }
    for plane in 0..<a.planes {
        for p in a.p0..<a.p1 {
            let (first, end) = a.rows.inside(p)
            smallMaxRow(
                a.columns, a.x + (plane &* a.cs &+ (a.rows.top(p) &+ first) &* a.hs), end &- first, a.hs,
                a.y + (plane &* a.p &+ p) &* a.q, a.q, W.self)
        }
    }
    return true
}

/// y = max over each window.
@inline(never)
private func maxPlanes<K: TapKind, L: Largest>(_ argument: UnsafePointer<snn_pool>, shared: Bool, _: K.Type, _: L.Type)
where L.V == K.T.Vector {
    let a = PoolPlanes<K.T>(argument.pointee)
    let columns = a.columns
    /// Rows of the window by which the next output row's window lies further down; 0 where they have none in common.
    let step = shared ? a.rows.stride / a.rows.dilation : 0
    if columns.innerBegin < columns.innerEnd {
        for plane in 0..<a.planes { maxLines(a, plane, step, K.self, L.self) }
        return
    }
    eachBlock(a.planes, size: columns.w &* a.rows.h) { (plane, planes) in
        columns.eachBorder(a.q) { j in maxColumn(a, K.border(columns, j, -.infinity), j, plane, planes, step, L.self) }
    }
}

@inline(__always)
private func maxPool<K: TapKind>(_ a: UnsafePointer<snn_pool>, shared: Bool, _: K.Type) {
    if a.pointee.indices == nil {
        maxPlanes(a, shared: shared, K.self, LargestNumber<K.T.Vector>.self)
    } else {
        maxPlanes(a, shared: shared, K.self, LargestPlace<K.T.Vector>.self)
    }
}

@inline(never)
func maxPool<T: Real>(_ a: UnsafePointer<snn_pool>, _: T.Type) {
    let p = a.pointee
    #if !SMALL
        if p.indices == nil && p.kernel_h <= 3 && p.dilation_h == 1 && p.dilation_w == 1 {
            switch (p.kernel_w, p.stride_w) {
            case (2, 1): if smallMax(a, T.self, TwoBeside.self) { return }
            // With a vector in one register, reading nine is faster than keeping three.
            case (3, 1): if T.Tile.lanes == T.Vector.lanes && smallMax(a, T.self, ThreeBeside.self) { return }
            case (2, 2): if smallMax(a, T.self, TwoApart.self) { return }
            case (3, 2): if smallMax(a, T.self, ThreeApart.self) { return }
            default: break
            }
        }
    #endif
    let shared = snn_pool_shares_rows(p.h, p.kernel_h, p.stride_h, p.dilation_h) != 0
    if p.stride_w == 1 {
        maxPool(a, shared: shared, Dense<T>.self)
    } else if p.stride_w == 2 && p.dilation_w == 1 {
        maxPool(a, shared: shared, Pairs<T>.self)
    } else {
        maxPool(a, shared: shared, Strided<T>.self)
    }
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
    let begin = columns.innerBegin, taps = K.inner(columns, begin)
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
    let begin = columns.innerBegin, taps = K.inner(columns, begin)
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

/// Places are differences from their windows' first elements: 0, 1, w and w + 1.
@inline(never)
func maxPoolPairs<T: Real>(_ argument: UnsafePointer<snn_max_pool_pairs>, _: T.Type) -> Int64 {
    typealias V = T.Vector
    let a = argument.pointee
    let h = Int(a.h), w = Int(a.w), p = Int(a.p), q = Int(a.q)
    let dy = a.dy.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let places = a.places.unsafelyUnwrapped
    let dx = a.dx.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    var wrong = SIMD8<Int64>.zero
    for row in 0..<p {
        let upper = dx + 2 &* row &* w, lower = upper + w
        var j = 0
        while j < q {
            // the last vector once more with some of the one before
            j = min(j, q &- V.lanes)
            let at = V.pairPlaces(places + (row &* q &+ j), 2 &* (row &* w &+ j), &wrong)
            let gradient = V.load(dy + (row &* q &+ j)) + .zero
            let a = V.equal(at, 0), b = V.equal(at, 1), c = V.equal(at, w), d = V.equal(at, w &+ 1)
            V.neither(V.either(a, b), V.either(c, d), &wrong)
            V.storeZipped(upper + 2 &* j, V.select(a, gradient, .zero), V.select(b, gradient, .zero))
            V.storeZipped(lower + 2 &* j, V.select(c, gradient, .zero), V.select(d, gradient, .zero))
            j &+= V.lanes
        }
        for i in (2 &* q)..<w {
            upper[i] = 0
            lower[i] = 0
        }
    }
    for i in (2 &* p &* w)..<(h &* w) { dx[i] = 0 }
    return snn_any_i64(wrong) == 0 ? 1 : 0
}
