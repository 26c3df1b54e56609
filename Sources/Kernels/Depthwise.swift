// Depthwise convolutions: a filter of its own for every channel, too little work for a GEMM. Every output is one chain of multiply-adds over
// (r, s), as in the GEMM, so that it has the bits the GEMM would give.
import CSwiftNN

/// A block of work: rows of the outputs of some planes, which are padded or whole.
private struct DepthwiseBlock<T: Real> {
    let x: UnsafePointer<T>, plane: Int
    let channels: Int, rows: Int
    /// The first output plane, and where its first row of the block is.
    let o: Int, y: UnsafeMutablePointer<T>
    /// Behind what the call writes.
    let end: UnsafeMutablePointer<T>
}

/// How a vector of outputs is written, of whose row `left` numbers are still to come.
private protocol RowStore {
    associatedtype V: Lanes
    func put(_ v: V, _ p: UnsafeMutablePointer<V.Scalar>, _ left: Int)
}

private struct ExactRows<V: Lanes>: RowStore {
    @inline(__always) func put(_ v: V, _ p: UnsafeMutablePointer<V.Scalar>, _ left: Int) { v.put(p, left) }
}

/// Rows of at most a vector, in order, where masks are dear (and speed matters: not on the base level): they are written whole up to `end`,
/// and what is behind one is computed after it.
private struct OverlappingRows<V: Lanes>: RowStore {
    private let lastWhole: UInt
    @inline(__always) init(upTo end: UnsafeMutablePointer<V.Scalar>, q: Int) {
        lastWhole = Self.suit(q: q, step: 1) ? UInt(bitPattern: end - V.lanes) : 0
    }
    @inline(__always) static func suit(q: Int, step: Int) -> Bool { Level.hasFMA && !Level.masksLoads && q <= V.lanes && step == 1 }
    @inline(__always) func put(_ v: V, _ p: UnsafeMutablePointer<V.Scalar>, _ left: Int) {
        if UInt(bitPattern: p) <= lastWhole { v.store(p) } else { v.put(p, left) }
    }
}

/// Calls body(x, filter, bias, y) for the outputs of a block.
@inline(__always)
private func eachOutput<T: Real>(
    _ a: UnsafePointer<snn_depthwise>, _ block: DepthwiseBlock<T>,
    _ body: (UnsafePointer<T>, UnsafePointer<T>, T, UnsafeMutablePointer<T>) -> Void
) {
    let taps = Int(a.pointee.r &* a.pointee.s), multiplier = Int(a.pointee.multiplier), pixels = Int(a.pointee.p &* a.pointee.q)
    let bias = a.pointee.bias?.assumingMemoryBound(to: T.self)
    var x = block.x, y = block.y, o = block.o
    var filter = a.pointee.filters.unsafelyUnwrapped.assumingMemoryBound(to: T.self) + o &* taps
    for _ in 0..<block.channels {
        for _ in 0..<multiplier {
            body(x, filter, bias.map { $0[o] } ?? 0, y)
            o &+= 1
            filter += taps
            y += pixels
        }
        x += block.plane
    }
}

/// Where the taps of a row of a filter stand in a padded row.
private struct TapColumns {
    let phases: Int, part: Int, step: Int, wrap: Int
    @inline(__always) init(_ a: snn_depthwise) {
        phases = Int(a.stride_w)
        let dilation = Int(a.dilation_w), phase = Int(a.phase)
        (part, step, wrap) =
            phases == 1 ? (0, dilation, 0) : (dilation % phases, dilation % phases &* phase &+ dilation / phases, 1 &- phases &* phase)
    }
    @inline(__always) func each(_ n: Int, _ body: (_ s: Int, _ column: Int) -> Void) {
        var column = 0, residue = 0
        for s in 0..<n {
            body(s, column)
            residue &+= part
            let wraps = residue >= phases
            column &+= step &+ (wraps ? wrap : 0)
            residue &-= wraps ? phases : 0
        }
    }
}

/// The three taps of a vector of outputs in a row of their windows.
private protocol ThreeTaps {
    associatedtype V: Lanes
    func row(_ i: Int) -> (V, V, V)
}

private struct PaddedTaps<V: Lanes>: ThreeTaps {
    let x: UnsafePointer<V.Scalar>, hs: Int, second: Int, third: Int
    @inline(__always) func row(_ i: Int) -> (V, V, V) {
        let from = x + i &* hs
        return (.load(from), .load(from + second), .load(from + third))
    }
}

/// The rows of an image in its own memory, and zeros outside of it.
private struct ImageRows<V: Wide> {
    var x: UnsafePointer<V.Scalar>
    let hs: Int, h: Int, top: Int, zeros: UnsafePointer<V.Scalar>
    /// To the same row of the next plane, which is asked for meanwhile: too far for the hardware to see it coming. To itself where planes are
    /// small.
    let next: Int
    @inline(__always) init(_ a: snn_depthwise, _ x: UnsafePointer<V.Scalar>) {
        self.x = x
        (hs, h, top) = (Int(a.hs), Int(a.h), Int(a.top))
        next = a.h &* a.w >= 1024 ? Int(a.cs) : 0
        zeros = UnsafePointer(a.padded.unsafelyUnwrapped.assumingMemoryBound(to: V.Scalar.self))
    }
    @inline(__always) subscript(_ i: Int) -> UnsafePointer<V.Scalar> {
        let at = i &- top
        return UInt(bitPattern: at) < UInt(bitPattern: h) ? x + at &* hs : zeros
    }
}

private struct ImageTaps<V: Wide>: ThreeTaps {
    var rows: ImageRows<V>
    let column: Int, dilation: Int
    let first: UInt64, second: UInt64, third: UInt64
    @inline(__always) init(_ a: snn_depthwise, _ x: UnsafePointer<V.Scalar>, _ j: Int) {
        rows = ImageRows(a, x)
        (column, dilation) = (j &- Int(a.left), Int(a.dilation_w))
        first = Inside.bits(column, Int(a.w))
        second = Inside.bits(column &+ dilation, Int(a.w))
        third = Inside.bits(column &+ 2 &* dilation, Int(a.w))
    }
    @inline(__always) func row(_ i: Int) -> (V, V, V) {
        let from = rows[i] + column
        snn_prefetch(from + rows.next)
        return (
            .load(from, lanes: first, 0), .load(from + dilation, lanes: second, 0), .load(from + 2 &* dilation, lanes: third, 0)
        )
    }
}

/// For a stride of two columns.
private struct ImagePairTaps<V: Wide>: ThreeTaps {
    var rows: ImageRows<V>
    let column: Int
    let bits: UInt64
    @inline(__always) init(_ a: snn_depthwise, _ x: UnsafePointer<V.Scalar>, _ j: Int) {
        rows = ImageRows(a, x)
        column = 2 &* j &- Int(a.left)
        bits = Inside.bits(column, Int(a.w))
    }
    @inline(__always) private func pair(_ from: UnsafePointer<V.Scalar>, _ s: Int) -> (even: V, odd: V) {
        V.unzip(
            .load(from + s, lanes: bits &>> UInt64(s), 0), .load(from + (V.lanes &+ s), lanes: bits &>> UInt64(V.lanes &+ s), 0))
    }
    @inline(__always) func row(_ i: Int) -> (V, V, V) {
        let from = rows[i] + column
        snn_prefetch(from + rows.next)
        snn_prefetch(from + (rows.next &+ V.lanes))
        let (first, second) = pair(from, 0)
        return (first, second, pair(from, 2).even)
    }
}

/// A row of a filter of three columns.
private struct FilterRow<V: Lanes> {
    let a: V, b: V, c: V
    @inline(__always) init(_ w: UnsafePointer<V.Scalar>) { (a, b, c) = (V(w[0]), V(w[1]), V(w[2])) }
    @inline(__always) func add(_ x: (V, V, V), to v: V) -> V { .fma(c, x.2, .fma(b, x.1, .fma(a, x.0, v))) }
}

/// A filter of 3 by 3 with its taps in registers, and what it makes of a vector of outputs in rows q apart, `left` numbers of which exist.
private struct ThreeRows<Output: RowStore> {
    typealias V = Output.V
    let top: FilterRow<V>, middle: FilterRow<V>, bottom: FilterRow<V>, bias: V
    let q: Int, rows: Int, output: Output
    @inline(__always) init(_ filter: UnsafePointer<V.Scalar>, _ bias: V.Scalar, q: Int, rows: Int, _ output: Output) {
        (top, middle, bottom) = (FilterRow(filter), FilterRow(filter + 3), FilterRow(filter + 6))
        (self.bias, self.q, self.rows, self.output) = (V(bias), q, rows, output)
    }
    /// Rows start, start + step, ...: a row of the image is loaded once for the three that see it.
    @inline(__always)
    func put<X: ThreeTaps>(_ x: X, _ y: UnsafeMutablePointer<V.Scalar>, left: Int, start: Int, step: Int) where X.V == V {
        var v = x.row(start)
        var begun = top.add(v, to: bias)
        v = x.row(start &+ step)
        var nearly = middle.add(v, to: begun)
        begun = top.add(v, to: bias)
        var i = start
        var to = y + i &* q
        while i < rows {
            v = x.row(i &+ 2 &* step)
            output.put(bottom.add(v, to: nearly), to, left)
            nearly = middle.add(v, to: begun)
            begun = top.add(v, to: bias)
            to += step &* q
            i &+= step
        }
    }
    /// All rows, for a stride of two: two of them see every other row of the image.
    @inline(__always)
    func putByTwo<X: ThreeTaps>(_ x: X, _ y: UnsafeMutablePointer<V.Scalar>, left: Int) where X.V == V {
        var shared = x.row(0)
        var to = y
        for i in 0..<rows {
            let v = middle.add(x.row(2 &* i &+ 1), to: top.add(shared, to: bias))
            shared = x.row(2 &* i &+ 2)
            output.put(bottom.add(shared, to: v), to, left)
            to += q
        }
    }
}

@inline(never)
private func threeRows<Output: RowStore>(_ a: UnsafePointer<snn_depthwise>, _ block: DepthwiseBlock<Output.V.Scalar>, _ output: Output) {
    typealias V = Output.V
    let q = Int(a.pointee.q), step = Int(a.pointee.dilation_h), hs = Int(a.pointee.stride_w &* a.pointee.phase)
    let byTwo = a.pointee.stride_h == 2
    var second = 0, third = 0
    TapColumns(a.pointee).each(3) { s, column in (second, third) = (third, column) }
    eachOutput(a, block) { x, filter, bias, y in
        let filter = ThreeRows(filter, bias, q: q, rows: block.rows, output)
        var j = 0
        while j < q {
            let taps = PaddedTaps<V>(x: x + j, hs: hs, second: second, third: third)
            if byTwo {
                filter.putByTwo(taps, y + j, left: q &- j)
            } else {
                // Rows with a dilation are as many images, one between the rows of the other.
                for start in 0..<min(step, block.rows) { filter.put(taps, y + j, left: q &- j, start: start, step: step) }
            }
            j &+= V.lanes
        }
    }
}

/// The same from planes in their own memory, a column of vectors at a time.
@inline(never)
private func threeRowsInPlace<T: Real>(_ a: UnsafePointer<snn_depthwise>, _ block: DepthwiseBlock<T>) {
    let q = Int(a.pointee.q), step = Int(a.pointee.dilation_h)
    let output = ExactRows<T.Vector>()
    var j = 0
    while j < q {
        if a.pointee.stride_h == 2 {
            let columns = ImagePairTaps<T.Vector>(a.pointee, block.x, j)
            eachOutput(a, block) { x, filter, bias, y in
                var taps = columns
                taps.rows.x = x
                ThreeRows(filter, bias, q: q, rows: block.rows, output).putByTwo(taps, y + j, left: q &- j)
            }
        } else {
            let columns = ImageTaps<T.Vector>(a.pointee, block.x, j)
            eachOutput(a, block) { x, filter, bias, y in
                var taps = columns
                taps.rows.x = x
                let filter = ThreeRows(filter, bias, q: q, rows: block.rows, output)
                for start in 0..<min(step, block.rows) { filter.put(taps, y + j, left: q &- j, start: start, step: step) }
            }
        }
        j &+= T.Vector.lanes
    }
}

/// Planes narrower than a vector in their own memory: two rows of outputs are one vector, whose lanes pick their taps from two rows of the
/// image. These have zeros behind their last column, where taps beyond the border point.
@inline(never)
private func narrowRows<T: Real>(_ a: UnsafePointer<snn_depthwise>, _ block: DepthwiseBlock<T>) {
    typealias V = T.Vector
    let q = Int(a.pointee.q), r = Int(a.pointee.r), s = Int(a.pointee.s), h = Int(a.pointee.h), w = Int(a.pointee.w)
    let hs = Int(a.pointee.hs), stride = Int(a.pointee.stride_h), step = Int(a.pointee.dilation_h), top = Int(a.pointee.top)
    let inside = Inside.bits(0, w)
    withUnsafeTemporaryAllocation(of: SIMD16<Int32>.self, capacity: s) { buffer in
        let places = buffer.baseAddress.unsafelyUnwrapped
        for t in 0..<s {
            var place = SIMD16<Int32>(repeating: Int32(w))
            for i in 0..<(2 &* q) {
                let column = i % q &* Int(a.pointee.stride_w) &+ t &* Int(a.pointee.dilation_w) &- Int(a.pointee.left)
                if column >= 0 && column < w { place[i] = Int32(i < q ? column : V.lanes &+ column) }
            }
            places[t] = place
        }
        eachOutput(a, block) { x, filter, bias, y in
            var i = 0
            while i < block.rows {
                // A last row alone is taken twice.
                let below = i &+ 1 < block.rows ? stride : 0
                var row = i &* stride &- top
                var v = V(bias)
                var tap = filter
                for _ in 0..<r {
                    let from = x + row &* hs
                    let upper = V.load(from, lanes: UInt(bitPattern: row) < UInt(bitPattern: h) ? inside : 0, 0)
                    let lower = V.load(from + below &* hs, lanes: UInt(bitPattern: row &+ below) < UInt(bitPattern: h) ? inside : 0, 0)
                    for t in 0..<s { v = .fma(V(tap[t]), .pick(upper, lower, places[t]), v) }
                    tap += s
                    row &+= step
                }
                v.put(y + i &* q, below > 0 ? 2 &* q : q)
                i &+= 2
            }
        }
    }
}

/// Tap number t of a window is at[t] numbers behind its first one.
@inline(never)
private func findTaps(_ a: UnsafePointer<snn_depthwise>, _ at: UnsafeMutablePointer<Int>) {
    let r = Int(a.pointee.r), s = Int(a.pointee.s), step = Int(a.pointee.dilation_h &* a.pointee.stride_w &* a.pointee.phase)
    TapColumns(a.pointee).each(s) { t, column in
        for row in 0..<r { at[row &* s &+ t] = row &* step &+ column }
    }
}

/// Two vectors in each of four neighbouring rows of outputs, whose windows begin a row of the image after each other: what is loaded of a row
/// serves all that see it.
private struct FourRows<T: Real> {
    typealias V = T.Vector
    let filter: UnsafePointer<T>, s: Int, taps: Int, hs: Int, at: UnsafePointer<Int>

    /// Taps begin ..< end of the window at x.
    @inline(__always)
    private func add(_ begin: Int, _ end: Int, _ x: UnsafePointer<T>, _ v: inout V, _ u: inout V) {
        var (a, b) = (v, u)
        for t in begin..<end {
            let tap = V(filter[t]), from = x + at[t]
            a = .fma(tap, .load(from), a)
            b = .fma(tap, .load(from + V.lanes), b)
        }
        (v, u) = (a, b)
    }

    @inline(__always)
    func put(_ x: UnsafePointer<T>, _ bias: T, _ y: UnsafeMutablePointer<T>, q: Int, left: Int) {
        var v0 = V(bias), v1 = v0, v2 = v0, v3 = v0
        var u0 = v0, u1 = v0, u2 = v0, u3 = v0
        // the rows of the image above those that all see
        add(0, 3 &* s, x, &v0, &u0)
        add(0, 2 &* s, x + hs, &v1, &u1)
        add(0, s, x + 2 &* hs, &v2, &u2)
        let w1 = filter - s, w2 = w1 - s, w3 = w2 - s
        for t in (3 &* s)..<taps {
            let from = x + at[t]
            let v = V.load(from), u = V.load(from + V.lanes)
            var tap = V(filter[t])
            v0 = .fma(tap, v, v0)
            u0 = .fma(tap, u, u0)
            tap = V(w1[t])
            v1 = .fma(tap, v, v1)
            u1 = .fma(tap, u, u1)
            tap = V(w2[t])
            v2 = .fma(tap, v, v2)
            u2 = .fma(tap, u, u2)
            tap = V(w3[t])
            v3 = .fma(tap, v, v3)
            u3 = .fma(tap, u, u3)
        }
        add(taps &- s, taps, x + hs, &v1, &u1)
        add(taps &- 2 &* s, taps, x + 2 &* hs, &v2, &u2)
        add(taps &- 3 &* s, taps, x + 3 &* hs, &v3, &u3)
        v0.put(y, left)
        v1.put(y + q, left)
        v2.put(y + 2 &* q, left)
        v3.put(y + 3 &* q, left)
        if left <= V.lanes { return }
        let y = y + V.lanes, left = left &- V.lanes
        u0.put(y, left)
        u1.put(y + q, left)
        u2.put(y + 2 &* q, left)
        u3.put(y + 3 &* q, left)
    }
}

/// The first rows, a multiple of four, for a stride and a dilation of one row, filters of four rows at least and whole pairs of vectors.
@inline(never)
private func rowsByFour<T: Real>(_ a: UnsafePointer<snn_depthwise>, _ block: DepthwiseBlock<T>, _ at: UnsafePointer<Int>) {
    typealias V = T.Vector
    let q = Int(a.pointee.q), s = Int(a.pointee.s), hs = Int(a.pointee.stride_w &* a.pointee.phase)
    let taps = Int(a.pointee.r) &* s
    eachOutput(a, block) { x, filter, bias, y in
        let rows = FourRows<T>(filter: filter, s: s, taps: taps, hs: hs, at: at)
        var j = 0
        while j < q {
            var i = 0
            while i &+ 4 <= block.rows {
                rows.put(x + (i &* hs &+ j), bias, y + (i &* q &+ j), q: q, left: q &- j)
                i &+= 4
            }
            j &+= 2 &* V.lanes
        }
    }
}

/// Rows `begun` and on, for any filter, strides and dilations.
@inline(never)
private func anyRows<T: Real>(_ a: UnsafePointer<snn_depthwise>, _ block: DepthwiseBlock<T>, _ at: UnsafePointer<Int>, begun: Int) {
    typealias V = T.Vector
    let q = Int(a.pointee.q), taps = Int(a.pointee.r &* a.pointee.s)
    let advance = Int(a.pointee.stride_h &* a.pointee.stride_w &* a.pointee.phase)
    let output = OverlappingRows<V>(upTo: block.end, q: q)
    eachOutput(a, block) { x, filter, bias, y in
        /// Four vectors, whose windows are `next` apart.
        @inline(__always) func four(_ x: UnsafePointer<T>, _ next: Int, _ y: UnsafeMutablePointer<T>, _ yNext: Int, _ left: Int) {
            var v0 = V(bias), v1 = v0, v2 = v0, v3 = v0
            for t in 0..<taps {
                let tap = V(filter[t]), x = x + at[t]
                v0 = .fma(tap, .load(x), v0)
                v1 = .fma(tap, .load(x + next), v1)
                v2 = .fma(tap, .load(x + 2 &* next), v2)
                v3 = .fma(tap, .load(x + 3 &* next), v3)
            }
            output.put(v0, y, left)
            output.put(v1, y + yNext, left)
            output.put(v2, y + 2 &* yNext, left)
            output.put(v3, y + 3 &* yNext, left)
        }
        var j = 0
        while j < q {
            var i = begun
            while i < block.rows {
                let from = x + (i &* advance &+ j), to = y + (i &* q &+ j)
                if i &+ 4 <= block.rows {
                    four(from, advance, to, q, q &- j)
                    i &+= 4
                    continue
                }
                if block.rows == 1 && j &+ 4 &* V.lanes <= q {
                    four(from, V.lanes, to, V.lanes, V.lanes)
                    j &+= 3 &* V.lanes
                    break
                }
                var v = V(bias)
                for t in 0..<taps { v = .fma(V(filter[t]), .load(from + at[t]), v) }
                output.put(v, to, q &- j)
                i &+= 1
            }
            j &+= V.lanes
        }
    }
}

/// Image rows first ..< first + count of a plane to padded rows, those outside of it as zeros. Columns side by side, strides 1 and 2.
@inline(never)
private func padRows<T: Real>(
    _ a: UnsafePointer<snn_depthwise>, _ x: UnsafePointer<T>, first: Int, count: Int, _ padded: UnsafeMutablePointer<T>
) {
    typealias V = T.Vector
    let h = Int(a.pointee.h), w = Int(a.pointee.w), hs = Int(a.pointee.hs), left = Int(a.pointee.left)
    let phases = Int(a.pointee.stride_w), phase = Int(a.pointee.phase), width = phases &* phase
    let begin = min(max(0, -first), count), end = max(begin, min(count, h &- first))
    // Whole planes have their borders at the same places, which are zeros from the start.
    if a.pointee.rows < a.pointee.p {
        fill(padded, 0, begin &* width)
        fill(padded + end &* width, 0, (count &- end) &* width)
    }
    var row = x + (first &+ begin) &* hs, to = padded + begin &* width
    let rows = end &- begin
    // Whole vectors are written: what is behind a row is zeros, or written after it.
    if phases == 1 {
        let whole = w & -V.lanes, rest = w &- whole
        to += left
        for _ in 0..<rows {
            var j = 0
            while j < whole {
                V.load(row + j).store(to + j)
                j &+= V.lanes
            }
            if rest > 0 { withPadding(0, row + whole, rest, V.self).store(to + whole) }
            row += hs
            to += width
        }
    } else {
        // where the columns 0, 2, ... and 1, 3, ... of the image begin
        let even = left % 2 &* phase &+ left / 2, odd = (left &+ 1) % 2 &* phase &+ (left &+ 1) / 2
        let whole = w & -(2 &* V.lanes), rest = w &- whole
        for _ in 0..<rows {
            var j = 0
            while j < whole {
                let (u, v) = V.loadPairs(row + j)
                u.store(to + (even &+ j / 2))
                v.store(to + (odd &+ j / 2))
                j &+= 2 &* V.lanes
            }
            if rest > 0 {
                let more = rest > V.lanes ? withPadding(0, row + (whole &+ V.lanes), rest &- V.lanes, V.self) : .zero
                let (u, v) = V.unzip(.part(row + whole, rest), more)
                u.store(to + (even &+ whole / 2))
                v.store(to + (odd &+ whole / 2))
            }
            row += hs
            to += width
        }
    }
}

/// The same for all strides and distances of columns, in planes `plane` apart.
@inline(never)
private func padAnyRows<T: Real>(
    _ a: UnsafePointer<snn_depthwise>, _ x: UnsafePointer<T>, first: Int, count: Int, _ padded: UnsafeMutablePointer<T>, planes: Int,
    plane: Int
) {
    let begin = min(max(0, -first), count), end = max(begin, min(count, Int(a.pointee.h) &- first))
    let phases = a.pointee.stride_w
    var p = snn_pad(
        src: x + (first &+ begin) &* Int(a.pointee.hs), cs: a.pointee.cs, hs: a.pointee.hs, ws: a.pointee.ws, planes: Int64(planes),
        h: Int64(end &- begin), w: a.pointee.w, top: Int64(begin), bottom: Int64(count &- end), left: a.pointee.left, phases: phases,
        residues: a.pointee.dilation_w == 1 ? min(a.pointee.s, phases) : phases, phase: a.pointee.phase, dst: padded,
        plane: Int64(plane), row: phases &* a.pointee.phase, step: a.pointee.phase)
    pad(&p, T.self)
}

@inline(never)
func depthwise<T: Real>(_ a: UnsafePointer<snn_depthwise>, _: T.Type) {
    let x = a.pointee.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let y = a.pointee.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let padded = a.pointee.padded.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let p = Int(a.pointee.p), q = Int(a.pointee.q), stride = Int(a.pointee.stride_h)
    let channels = Int(a.pointee.channels), multiplier = Int(a.pointee.multiplier)
    let last = Int((a.pointee.r &- 1) &* a.pointee.dilation_h)
    let three = a.pointee.r == 3 && a.pointee.s == 3 && (stride == 1 || stride == 2 && a.pointee.dilation_h == 1)
    let small = Level.masksLoads && a.pointee.ws == 1 && a.pointee.h &* a.pointee.w <= 4096
    let taps = Int(a.pointee.r &* a.pointee.s)
    let narrow =
        small && !three && taps <= (stride == 1 ? 25 : 16) && Int(a.pointee.w) < T.Vector.lanes && 2 &* q <= T.Vector.lanes
    let inPlace =
        small && three && a.pointee.stride_w == a.pointee.stride_h && (stride == 1 || a.pointee.dilation_w == 1)
    let behind = y + channels &* multiplier &* p &* q
    var c = 0
    while c < channels {
        let count = min(Int(a.pointee.planes), channels &- c)
        if Level.masksLoads && (narrow || inPlace) {
            let plane = Int(a.pointee.cs)
            let block = DepthwiseBlock(
                x: x + c &* plane, plane: plane, channels: count, rows: p, o: c &* multiplier, y: y + c &* multiplier &* p &* q, end: behind
            )
            if narrow { narrowRows(a, block) } else { threeRowsInPlace(a, block) }
            c &+= count
            continue
        }
        var row = 0
        while row < p {
            let rows = min(Int(a.pointee.rows), p &- row)
            let lines = (rows &- 1) &* stride &+ last &+ 1
            let plane = lines &* Int(a.pointee.stride_w &* a.pointee.phase)
            let from = x + c &* Int(a.pointee.cs), first = row &* stride &- Int(a.pointee.top)
            if a.pointee.ws == 1 && a.pointee.stride_w <= 2 {
                for i in 0..<count { padRows(a, from + i &* Int(a.pointee.cs), first: first, count: lines, padded + i &* plane) }
            } else {
                padAnyRows(a, from, first: first, count: lines, padded, planes: count, plane: plane)
            }
            // Behind the last rows of a filter's plane there are the first ones of the next filter's, which an earlier block has written.
            let end = row > 0 && multiplier > 1 ? y : behind
            let block = DepthwiseBlock(
                x: UnsafePointer(padded), plane: plane, channels: count, rows: rows, o: c &* multiplier,
                y: y + (c &* multiplier &* p &+ row) &* q, end: end)
            let step = stride == 1 ? Int(a.pointee.dilation_h) : 1
            if three && Level.hasFMA && !Level.masksLoads && OverlappingRows<T.Tile>.suit(q: q, step: step) {
                threeRows(a, block, OverlappingRows<T.Tile>(upTo: end, q: q))
            } else if three && Level.hasFMA && !Level.masksLoads && OverlappingRows<T.Vector>.suit(q: q, step: step) {
                threeRows(a, block, OverlappingRows<T.Vector>(upTo: end, q: q))
            } else if three {
                threeRows(a, block, ExactRows<T.Vector>())
            } else {
                // Eight accumulators leave room for what they add only where there are 32 registers as wide as a vector.
                let pairs = (q &+ T.Vector.lanes &- 1) / T.Vector.lanes % 2 == 0
                let shared = Level.masksLoads && pairs && a.pointee.r >= 4 && stride == 1 && a.pointee.dilation_h == 1 ? rows & ~3 : 0
                withUnsafeTemporaryAllocation(of: Int.self, capacity: Int(a.pointee.r &* a.pointee.s)) { buffer in
                    let at = buffer.baseAddress.unsafelyUnwrapped
                    findTaps(a, at)
                    if Level.masksLoads && shared > 0 { rowsByFour(a, block, UnsafePointer(at)) }
                    if shared < rows { anyRows(a, block, UnsafePointer(at), begun: shared) }
                }
            }
            row &+= rows
        }
        c &+= count
    }
}

/// The gradient of a filter from one plane: for every tap the dot product of dy with the plane shifted by it, rows in order, lanes added
/// last. Three taps of a filter row at a time, so that a vector of dy is loaded once for them.
@inline(never)
func depthwiseGradient<T: Real>(_ argument: UnsafePointer<snn_depthwise_gradient>, _: T.Type) {
    typealias V = T.Vector
    let a = argument.pointee
    let x = a.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let dy = a.dy.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let sums = a.sums.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let hs = Int(a.hs), p = Int(a.p), q = Int(a.q), columns = Int(a.s)
    let rowStep = Int(a.stride_h) &* hs, phases = Int(a.phases), phase = Int(a.phase)
    @inline(__always) func column(_ t: Int) -> Int {
        let c = t &* Int(a.dilation_w)
        return phases == 1 ? c : c % phases &* phase &+ c / phases
    }
    for r in 0..<Int(a.r) {
        let top = x + r &* Int(a.dilation_h) &* hs
        let to = sums + r &* columns
        var t = 0
        while t < columns {
            // Taps behind the last one repeat it, and are dropped.
            let last = columns &- 1
            let x0 = top + column(t), x1 = top + column(min(t &+ 1, last)), x2 = top + column(min(t &+ 2, last))
            var s0 = V.zero, s1 = V.zero, s2 = V.zero
            for i in 0..<p {
                let g = dy + i &* q
                let at = i &* rowStep
                walk(q, V.self) { j, left in
                    let v = V.part(g + j, left)
                    s0 = .fma(v, .part(x0 + (at &+ j), left), s0)
                    s1 = .fma(v, .part(x1 + (at &+ j), left), s1)
                    s2 = .fma(v, .part(x2 + (at &+ j), left), s2)
                }
            }
            to[t] += s0.sum()
            if t < last { to[t &+ 1] += s1.sum() }
            if t &+ 1 < last { to[t &+ 2] += s2.sum() }
            t &+= 3
        }
    }
}
