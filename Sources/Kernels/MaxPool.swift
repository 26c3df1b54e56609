// Max-pooling in two steps through the first-level cache: the maxima of windows' columns along every row of the input, kept as lines, and
// then those of the lines that lie in a window. Rows stand one behind the other, -inf at their borders, at a distance that is a multiple of
// the windows' one: vectors run across rows, and the narrowest plane fills them.
import CSwiftNN

/// The largest number of each lane's window so far: NaN if there was one, the last one, and of equal numbers the first. Taking windows'
/// parts in order gives the same as taking their elements in order.
private protocol Largest {
    associatedtype V: Wide
    static var hasPlaces: Bool { get }
    /// Nothing yet: -inf at `start`.
    init(start: V.Places)
    /// `first` if nothing was taken before.
    mutating func take(_ v: V, _ place: Int, first: Bool)
    /// The part of the window that `save` left at p, its places counted from `place`.
    mutating func take(saved p: UnsafePointer<V.Scalar>, places: Int, _ place: Int, first: Bool)
    /// Numbers to p, places, if there are any, to p + places.
    func save(_ p: UnsafeMutablePointer<V.Scalar>, places: Int)
    /// n lanes to y, and their places, lane i counted from first + i * step.
    func store(_ y: UnsafeMutablePointer<V.Scalar>, _ n: Int, _ places: UnsafeMutablePointer<Int64>?, first: Int, step: Int)
}

private struct LargestNumber<V: Wide>: Largest {
    var v: V
    @_transparent static var hasPlaces: Bool { false }
    @_transparent init(start: V.Places) { v = V(-.infinity) }
    @_transparent mutating func take(_ other: V, _ place: Int, first: Bool) { v = first ? other : V.larger(v, other) }
    @_transparent mutating func take(saved p: UnsafePointer<V.Scalar>, places: Int, _ place: Int, first: Bool) {
        take(.load(p), place, first: first)
    }
    @_transparent func save(_ p: UnsafeMutablePointer<V.Scalar>, places: Int) { v.store(p) }
    @_transparent
    func store(_ y: UnsafeMutablePointer<V.Scalar>, _ n: Int, _ places: UnsafeMutablePointer<Int64>?, first: Int, step: Int) {
        v.put(y, n)
    }
}

private struct LargestPlace<V: Wide>: Largest {
    var v: V
    var places: V.Places
    @_transparent static var hasPlaces: Bool { true }
    @_transparent init(start: V.Places) {
        v = V(-.infinity)
        places = start
    }
    @_transparent mutating func take(_ other: V, at place: V.Places) {
        let wins = V.either(V.less(v, other), V.isNaN(other))
        v = V.select(wins, other, v)
        places = V.select(wins, place, places)
    }
    @_transparent mutating func take(_ other: V, _ place: Int, first: Bool) { take(other, at: V.places(place)) }
    @_transparent mutating func take(saved p: UnsafePointer<V.Scalar>, places: Int, _ place: Int, first: Bool) {
        take(.load(p), at: V.sum(V.loadPlaces(p + places), V.places(place)))
    }
    @_transparent func save(_ p: UnsafeMutablePointer<V.Scalar>, places: Int) {
        v.store(p)
        V.storePlaces(self.places, p + places)
    }
    @_transparent
    func store(_ y: UnsafeMutablePointer<V.Scalar>, _ n: Int, _ places: UnsafeMutablePointer<Int64>?, first: Int, step: Int) {
        v.put(y, n)
        if let places { V.store(self.places, first: first, step: step, places, n) }
    }
}

/// Takes a row's taps into the maximum.
private struct LargestTap<L: Largest>: TapVisitor {
    var best = L(start: L.V.places(0))
    let dilation: Int
    @_transparent mutating func take(_ v: L.V, _ s: Int) { best.take(v, s &* dilation, first: s == 0) }
}

/// Rows of the input on their way to lines. Where the windows have no border and rows leave no gaps, they are read where they are, else
/// copied.
private struct RowMaxima<K: TapKind, L: Largest> where L.V == K.T.Vector {
    typealias T = K.T
    typealias V = K.T.Vector
    let layout: snn_max_pool_layout
    let dilation: Int, advance: Int
    let taps: K.Inner
    /// -inf in front of a row's numbers, the first of them, how many.
    let lead: Int, first: Int, count: Int
    let inPlace: Bool
    /// A vector of windows that begins behind this must not be read.
    let lastReadable: UnsafePointer<T>
    let copy: UnsafeMutablePointer<T>
    let lines: UnsafeMutablePointer<T>, places: Int
    /// Rows that are waiting, and the line of the first one.
    var from: UnsafePointer<T>
    var waiting = 0
    var line = 0

    /// For the outputs from column j on.
    init(_ a: PoolPlanes<T>, _ layout: snn_max_pool_layout, _ j: Int) {
        let columns = a.columns, left = columns.column(j)
        self.layout = layout
        dilation = columns.dilation
        advance = V.lanes &* columns.stride
        taps = K.inner(columns, 0)
        (lead, first) = (max(-left, 0), max(left, 0))
        count = max(0, min(Int(layout.pitch) &- lead, columns.w &- first))
        inPlace =
            columns.padding == 0 && columns.w == Int(layout.pitch) && a.hs == columns.w
            && a.rows.dilation == 1 && a.rows.stride <= a.rows.kernel && Int(layout.columns) == a.q
        let (_, end) = a.rows.inside(a.p1 &- 1)
        let behind = (a.planes &- 1) &* a.cs &+ (a.rows.top(a.p1 &- 1) &+ (end &- 1) &* a.rows.dilation) &* a.hs &+ columns.w
        lastReadable = a.x + (behind &- columns.reach)
        lines = a.scratch + (Int(layout.columns) &+ 16)
        places = Int(layout.lines) &* Int(layout.line) &+ 16
        copy = lines + 2 &* places
        from = UnsafePointer(copy)
    }

    /// n rows to the lines from `slot` on: groups of `group` rows at the distance of rowStep, groupStep apart.
    mutating func take(_ x: UnsafePointer<T>, _ n: Int, _ rowStep: Int, group: Int, _ groupStep: Int, _ slot: Int) {
        let pitch = Int(layout.pitch), atOnce = Int(layout.rows)
        var done = 0
        while done < n {
            let groups = done / group
            let next = x + (groups &* groupStep &+ (done &- groups &* group) &* rowStep)
            if waiting == atOnce || slot &+ done != line &+ waiting || (inPlace && next != from + waiting &* pitch) { flush() }
            if waiting == 0 {
                line = slot &+ done
                if inPlace { from = next }
            }
            let some = min(n &- done, atOnce &- waiting)
            if !inPlace {
                copyRows(
                    next + first, some, rowStep, group: group, skip: groupStep &- group &* rowStep, done &- groups &* group,
                    copy + waiting &* pitch)
            }
            waiting &+= some
            done &+= some
        }
    }

    /// From row `place` of a group on. What a vector writes behind its row the next one overwrites.
    @inline(never) private func copyRows(
        _ x: UnsafePointer<T>, _ n: Int, _ rowStep: Int, group: Int, skip: Int, _ place: Int, _ copy: UnsafeMutablePointer<T>
    ) {
        let lead = lead, count = count, pitch = Int(layout.pitch)
        // The vectors that begin with the border, those inside and the one that ends with it.
        let inner = (lead &+ V.lanes &- 1) / V.lanes &* V.lanes
        let tail = inner &+ max(0, lead &+ count &- inner) / V.lanes &* V.lanes
        let headBits = Inside.bits(-lead, count), tailBits = Inside.bits(tail &- lead, count)
        var row = x - lead
        var to = copy
        var place = place
        @inline(__always) func next() {
            row += rowStep
            to += pitch
            place &+= 1
            if place == group {
                place = 0
                row += skip
            }
        }
        if pitch <= V.lanes {
            // Narrow planes have many rows: each is a vector, its border a mask.
            for _ in 0..<n {
                V.load(row, lanes: headBits, -.infinity).store(to)
                next()
            }
            return
        }
        for _ in 0..<n {
            var i = 0
            while i < inner {
                V.load(row + i, lanes: i == 0 ? headBits : Inside.bits(i &- lead, count), -.infinity).store(to + i)
                i &+= V.lanes
            }
            while i < tail {
                snn_prefetch(row + (i &+ 4096 / MemoryLayout<T>.stride))
                V.load(row + i).store(to + i)
                i &+= V.lanes
            }
            if i < pitch {
                V.load(row + i, lanes: tailBits, -.infinity).store(to + i)
                i &+= V.lanes
            }
            while i < pitch {
                V(-.infinity).store(to + i)
                i &+= V.lanes
            }
            next()
        }
    }

    mutating func flush() {
        let size = waiting &* Int(layout.pitch)
        let vectors = (waiting &* Int(layout.line) &+ V.lanes &- 1) / V.lanes
        let to = lines + line &* Int(layout.line)
        waiting = 0
        if !inPlace { return reduce(UnsafePointer(copy), vectors, to) }
        let room = lastReadable - from
        let readable = room < 0 ? 0 : min(vectors, room / advance &+ 1)
        reduce(from, readable, to)
        if readable < vectors {
            walk(size &- readable &* advance, V.self) { (i, left) in V.part(from + (readable &* advance &+ i), left).store(copy + i) }
            reduce(UnsafePointer(copy), vectors &- readable, to + readable &* V.lanes)
        }
    }

    /// Maxima of vectors of windows beside each other.
    @inline(never) private func reduce(_ x: UnsafePointer<T>, _ vectors: Int, _ to: UnsafeMutablePointer<T>) {
        @inline(__always) func all(_ taps: K.Inner) {
            var from = x
            var to = to
            for _ in 0..<vectors {
                if inPlace { snn_prefetch(from + 4096 / MemoryLayout<T>.stride) }
                if inPlace && advance > V.lanes { snn_prefetch(from + (4096 / MemoryLayout<T>.stride &+ V.lanes)) }
                var part = LargestTap<L>(dilation: dilation)
                taps.each(from, &part)
                part.best.save(to, places: places)
                from += advance
                to += V.lanes
            }
        }
        #if !SMALL
            if !L.hasPlaces && taps.kernel <= 3 && taps.kernel > 1 {
                // without a loop over taps
                var few = taps
                if taps.kernel == 2 {
                    few.kernel = 2
                    all(few)
                } else {
                    few.kernel = 3
                    all(few)
                }
                return
            }
        #endif
        all(taps)
    }
}

/// Where in the windows of n outputs from column j on the first element lies that is not left of the image.
@inline(never)
private func storeFirstPlaces<T: Real>(_ a: PoolPlanes<T>, _ j: Int, _ to: UnsafeMutablePointer<T>, _ n: Int) {
    let dilation = a.columns.dilation
    to.withMemoryRebound(to: T.Vector.PlaceNumber.self, capacity: n) { b in
        for i in 0..<n {
            let before = -a.columns.column(j &+ i)
            b[i] = T.Vector.PlaceNumber(truncatingIfNeeded: before > 0 ? (before &+ dilation &- 1) / dilation &* dilation : 0)
        }
    }
}

/// Rows p ..< end of the result, n columns from j on: y = max over windows' lines, those of row p from `lines` on, the next row's `step`
/// lines further.
@inline(never)
private func combine<T: Real, L: Largest>(
    _ a: PoolPlanes<T>, _ plane: Int, _ p: Int, _ end: Int, _ j: Int, _ n: Int, _ lines: UnsafePointer<T>, places: Int, line: Int,
    step: Int, _: L.Type
) where L.V == T.Vector {
    typealias V = T.Vector
    let rows = a.rows, stride = a.columns.stride, rowPlace = rows.dilation &* a.columns.w
    // What a vector writes behind its row the next row overwrites, unless that is another call's or has its last columns already.
    let behind = n == a.q ? (plane &* a.p &+ a.p1) &* a.q : 0
    var lines = lines
    for p in p..<end {
        let (first, last) = rows.inside(p)
        let place = (rows.top(p) &+ first &* rows.dilation) &* a.columns.w &+ a.columns.column(j)
        let at = (plane &* a.p &+ p) &* a.q &+ j
        let from = lines + first &* line
        var i = 0
        while i < n {
            var best = L(start: L.hasPlaces ? V.loadPlaces(a.scratch + i) : V.places(0))
            var part = from + i
            if first < last {
                best.take(saved: part, places: places, 0, first: true)
                if last &- first >= 2 { best.take(saved: part + line, places: places, rowPlace, first: false) }
                if last &- first >= 3 { best.take(saved: part + 2 &* line, places: places, 2 &* rowPlace, first: false) }
                var r = 3
                part += 3 &* line
                while r < last &- first {
                    best.take(saved: part, places: places, r &* rowPlace, first: false)
                    part += line
                    r &+= 1
                }
            }
            best.store(
                a.y + (at &+ i), max(n &- i, behind &- (at &+ i)), a.indices.map { $0 + (at &+ i) }, first: place &+ i &* stride,
                step: stride)
            i &+= V.lanes
        }
        lines += step &* line
    }
}

/// y = max over each window.
@inline(never)
private func maxPlanes<K: TapKind, L: Largest>(_ argument: UnsafePointer<snn_pool>, _: K.Type, _: L.Type) where L.V == K.T.Vector {
    typealias V = K.T.Vector
    let p = argument.pointee
    let a = PoolPlanes<K.T>(p)
    let layout = snn_max_pool_lay_out(p.kernel_h, p.kernel_w, p.stride_w, p.dilation_w, p.q)
    let rows = a.rows, rowStep = rows.dilation &* a.hs, line = Int(layout.line)
    /// Lines from one row of the result to the next, which share the others.
    let shares = rows.stride % rows.dilation == 0 && rows.stride / rows.dilation < rows.kernel
    let step = shares ? rows.stride / rows.dilation : rows.kernel
    /// Whether windows leave out no row between them.
    let together = step &* rows.dilation == rows.stride
    let lastWhole = (rows.h &+ rows.padding &- (rows.kernel &- 1) &* rows.dilation &- 1) / rows.stride
    var j = 0
    while j < a.q {
        let n = min(Int(layout.columns), a.q &- j)
        if L.hasPlaces { storeFirstPlaces(a, j, a.scratch, n) }
        var maxima = RowMaxima<K, L>(a, layout, j)
        // The first row of the result that is to come, and how many of its lines are there.
        var plane = 0
        var p = a.p0
        var kept = 0
        while plane < a.planes {
            var endPlane = plane
            var end = p
            var top = 0
            var filled = kept
            while endPlane < a.planes && top &+ rows.kernel <= Int(layout.lines) {
                // As many rows of the result as there is room for, of this plane, and where rows are left out, with whole windows.
                let room = Int(layout.lines) &- top &- rows.kernel, (before, behind) = rows.inside(end)
                var more = a.p1 &- end &- 1
                if !together { more = behind &- before < rows.kernel ? 0 : min(more, max(0, lastWhole &- end)) }
                if more &* step > room { more = room / step }
                let row = rows.top(end), below = max(0, rows.h &- row)
                let inside = rows.dilation == 1 ? below : (below &+ rows.dilation &- 1) / rows.dilation
                let first = max(before, filled &- top)
                let last = together ? min(inside, more &* step &+ rows.kernel) : more &* step &+ behind
                if first < last {
                    maxima.take(
                        a.x + (endPlane &* a.cs &+ row &* a.hs &+ first &* rowStep), last &- first, rowStep,
                        group: together ? last : step, rows.stride &* a.hs, top &+ first)
                }
                filled = top &+ more &* step &+ rows.kernel
                top &+= (more &+ 1) &* step
                end &+= more &+ 1
                if end == a.p1 {
                    (endPlane, end) = (endPlane &+ 1, a.p0)
                    top = filled
                }
            }
            maxima.flush()
            var slot = 0
            while plane < endPlane || p < end {
                let until = plane < endPlane ? a.p1 : end
                combine(
                    a, plane, p, until, j, n, maxima.lines + slot &* line, places: maxima.places, line: line, step: step, L.self)
                slot &+= (until &- p &- 1) &* step &+ rows.kernel
                p = until
                if p == a.p1 { (plane, p) = (plane &+ 1, a.p0) }
            }
            kept = p > a.p0 ? filled &- top : 0
            for i in 0..<(L.hasPlaces ? 2 : 1) {
                let to = maxima.lines + i &* maxima.places
                walk(kept &* line, V.self) { (k, _) in V.load(to + (top &* line &+ k)).store(to + k) }
            }
        }
        j &+= n
    }
}

@inline(__always)
private func maxPool<K: TapKind>(_ a: UnsafePointer<snn_pool>, _: K.Type) {
    if a.pointee.indices == nil {
        maxPlanes(a, K.self, LargestNumber<K.T.Vector>.self)
    } else {
        maxPlanes(a, K.self, LargestPlace<K.T.Vector>.self)
    }
}

@inline(never)
func maxPool<T: Real>(_ a: UnsafePointer<snn_pool>, _: T.Type) {
    #if !SMALL
        if maxPoolSmall(a, T.self) { return }
    #endif
    if a.pointee.stride_w == 1 {
        maxPool(a, Dense<T>.self)
    } else if a.pointee.stride_w == 2 && a.pointee.dilation_w == 1 {
        maxPool(a, Pairs<T>.self)
    } else {
        maxPool(a, Strided<T>.self)
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
