// The recurrent layers: products of a few rows with a weight in strips, and the cells.
//
// A strip is what a unit needs: for each k one vector of every gate of as many units (LSTM 4, GRU 3), so that a strip's product is followed
// by its cell at once; with one gate (RNN) up to four vectors of units. A last strip of so few LSTM units that their four gates fit one
// vector is that vector, and its cells are those of four rows at a time, as those of the last vector of an RNN or GRU are where a quarter
// has room for its units. Vectors are the virtual ones, so that a strip has the same units on every level. Where a tile takes one vector of
// a strip at a time, each lies in one piece for every block of k: from among the others its lines would meet in few sets of the nearest
// cache, which then does not keep them from one tile to the next.
// Every sum is start + (block 0) + (block 1) + ..., each block a chain of fused multiply-adds over its part of k from zero: neither the
// number of rows nor the tile can change a bit, and short chains round less than one long one.
import CSwiftNN

/// Depth of a block, that of every product.
private var blockDepth: Int { 256 }

/// How far apart the numbers of a block of a strip are: from k to k, and from vector to vector.
@inline(__always)
private func distances<V: Wide>(_ count: Int, _ depth: Int, _: V.Type) -> (step: Int, apart: Int) {
    Level.stripVectors > 1 ? (count &* V.lanes, V.lanes) : (V.lanes, depth &* V.lanes)
}

@inline(never)
func recurrent<T: Real>(_ argument: UnsafePointer<snn_recurrent>, _: T.Type) {
    typealias V = T.Vector
    let p = Steps<T>(argument)
    let perStrip = p.gates == 1 ? 4 : 1
    let vectors = (p.units &+ V.lanes &- 1) / V.lanes
    let strips = (vectors &+ perStrip &- 1) / perStrip
    // Of one row and two strips both products come first: each is a chain, as are the cells behind it, and the CPU has both under way.
    let both = p.rows == 1 && strips == 2 && p.mode >= 0
    for turn in 0..<(both ? 4 : strips) {
        let n = turn & (both ? 1 : -1)
        let first = (p.reverse ? strips &- 1 &- n : n) &* perStrip
        let units = p.units &- first &* V.lanes
        let short = isShort(p.gates, units, V.self)
        let count = short ? 1 : p.gates == 1 ? min(4, vectors &- first) : p.gates
        let column = first &* p.gates &* V.lanes
        var sums = Sums<T>(
            start: p.start + column, ldStart: p.ldStart, last: p.start + (column &+ (count &- 1) &* V.lanes), ldLast: p.ldStart,
            out: p.mode < 0 ? p.sums + column : p.sums, ldOut: p.mode < 0 ? p.ldSums : 4 &* V.lanes,
            next: p.w)
        if p.mode == Int(SNN_GRU) {
            sums.last = p.candidate + first &* V.lanes
            sums.ldLast = 0
        }
        if both { sums.out += n &* 4 &* V.lanes }
        if !both || turn < 2 { product(p, count, p.w + column &* p.k, sums) }
        if p.mode < 0 || (both && turn < 2) { continue }
        if short { shortCells(p, first, units, sums) } else { cells(p, first, count, units, sums) }
    }
}

/// Whether a strip's four gates of `units` units are the quarters of one vector.
@inline(__always)
private func isShort<V: Wide>(_ gates: Int, _ units: Int, _: V.Type) -> Bool { gates == 4 && units <= V.lanes / 4 }

/// A typed copy of snn_recurrent.
private struct Steps<T: Real> {
    let mode, gates, units, rows, k: Int
    let a: UnsafePointer<T>, lda: Int
    let w: UnsafePointer<T>
    let start: UnsafePointer<T>, ldStart: Int
    let candidate: UnsafePointer<T>
    let reverse: Bool
    let sums: UnsafeMutablePointer<T>, ldSums: Int
    let h: UnsafePointer<T>
    let c: UnsafeMutablePointer<T>?, ldc: Int
    let y: UnsafeMutablePointer<T>?, ldy: Int
    let saved: UnsafeMutablePointer<T>?, ldSaved: Int, gateStride: Int

    @inline(__always) init(_ argument: UnsafePointer<snn_recurrent>) {
        let p = argument.pointee
        mode = Int(p.mode); gates = Int(p.gates); units = Int(p.units); rows = Int(p.rows); k = Int(p.k)
        a = p.a.unsafelyUnwrapped.assumingMemoryBound(to: T.self); lda = Int(p.lda)
        w = p.w.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        start = p.start.unsafelyUnwrapped.assumingMemoryBound(to: T.self); ldStart = Int(p.ld_start)
        candidate = p.candidate?.assumingMemoryBound(to: T.self) ?? start
        reverse = p.reverse != 0
        sums = p.sums.unsafelyUnwrapped.assumingMemoryBound(to: T.self); ldSums = Int(p.ld_sums)
        h = p.h?.assumingMemoryBound(to: T.self) ?? a
        c = p.c?.assumingMemoryBound(to: T.self); ldc = Int(p.ldc)
        y = p.y?.assumingMemoryBound(to: T.self); ldy = Int(p.ldy)
        saved = p.saved?.assumingMemoryBound(to: T.self); ldSaved = Int(p.ld_saved); gateStride = Int(p.gate_stride)
    }
}

/// Where a strip's sums begin and go: vector j of row i at start + i * ldStart + j * lanes, the last vector of it at last + i * ldLast.
private struct Sums<T: Real> {
    var start: UnsafePointer<T>, ldStart: Int
    var last: UnsafePointer<T>, ldLast: Int
    var out: UnsafeMutablePointer<T>
    let ldOut: Int
    /// What the tiles ask the memory for meanwhile, each its part of it.
    var next: UnsafePointer<T>

    @_transparent func row(_ i: Int) -> Sums {
        Sums(
            start: start + i &* ldStart, ldStart: ldStart, last: last + i &* ldLast, ldLast: ldLast, out: out + i &* ldOut, ldOut: ldOut,
            next: next)
    }
}

/// All rows against one strip of `count` vectors.
@inline(__always)
private func product<T: Real>(_ p: Steps<T>, _ count: Int, _ strip: UnsafePointer<T>, _ target: Sums<T>) {
    let lanes = T.Vector.lanes
    var sums = target
    // Eight rows are one tile of two vectors: as two tiles of four they would read the strip twice, which is more than the nearest cache.
    let width = Level.stripVectors == 4 ? (count == 4 && p.rows == 8 ? 2 : count) : Level.rowVectors == 4 && p.rows == 1 ? count : 1
    var k0 = 0
    repeat {
        let depth = min(blockDepth, p.k &- k0)
        let b = strip + k0 &* count &* lanes
        // What is multiplied next: the strip's next block, or the next strip, which in reverse lies before this one.
        let size = count &* lanes
        sums.next = p.reverse && k0 &+ depth == p.k ? strip - p.k &* size : b + depth &* size
        let (step, apart) = distances(count, depth, T.Vector.self)
        if width == count { vectors(width, p, k0, depth, (b, step, apart), sums) }
        for j in stride(from: 0, to: width == count ? 0 : count, by: width) {
            var part = sums
            part.start += j &* lanes
            part.out += j &* lanes
            part.next += j &* depth &* lanes
            if j &+ width < count {
                part.last = part.start + (width &- 1) &* lanes
                part.ldLast = part.ldStart
            }
            vectors(width, p, k0, depth, (b + j &* apart, step, apart), part)
        }
        // The next block adds to this one's sums.
        sums.start = UnsafePointer(target.out)
        sums.ldStart = target.ldOut
        sums.last = UnsafePointer(target.out) + (count &- 1) &* lanes
        sums.ldLast = target.ldOut
        k0 &+= depth
    } while k0 < p.k
}

/// Vectors of a block of a strip: number k of vector j at b + k * step + j * apart.
private typealias Vectors<T> = (b: UnsafePointer<T>, step: Int, apart: Int)

/// All rows against `count` vectors of a strip.
@inline(__always)
private func vectors<T: Real>(_ count: Int, _ p: Steps<T>, _ k0: Int, _ depth: Int, _ b: Vectors<T>, _ sums: Sums<T>) {
    switch count {
    case 4: fourVectors(p, k0, depth, b, sums)
    case 3: threeVectors(p, k0, depth, b, sums)
    case 2: twoVectors(p, k0, depth, b, sums)
    default: oneVector(p, k0, depth, b, sums)
    }
}

@inline(never)
private func oneVector<T: Real>(_ p: Steps<T>, _ k0: Int, _ depth: Int, _ b: Vectors<T>, _ sums: Sums<T>) {
    rowTiles(p, 1, k0, depth, b, sums)
}
@inline(never)
private func twoVectors<T: Real>(_ p: Steps<T>, _ k0: Int, _ depth: Int, _ b: Vectors<T>, _ sums: Sums<T>) {
    rowTiles(p, 2, k0, depth, b, sums)
}
@inline(never)
private func threeVectors<T: Real>(_ p: Steps<T>, _ k0: Int, _ depth: Int, _ b: Vectors<T>, _ sums: Sums<T>) {
    rowTiles(p, 3, k0, depth, b, sums)
}
@inline(never)
private func fourVectors<T: Real>(_ p: Steps<T>, _ k0: Int, _ depth: Int, _ b: Vectors<T>, _ sums: Sums<T>) {
    rowTiles(p, 4, k0, depth, b, sums)
}

/// All rows against `vectors` vectors, a constant at every call.
@_transparent
private func rowTiles<T: Real>(_ p: Steps<T>, _ vectors: Int, _ k0: Int, _ depth: Int, _ b: Vectors<T>, _ sums: Sums<T>) {
    typealias V = T.Vector
    // Where registers are few, more vectors than a strip's tile has are for one row alone.
    let one = vectors > Level.stripVectors
    let tiles = (p.rows &+ tallest(vectors) &- 1) / tallest(vectors)
    let share = (vectors &* V.lanes &+ tiles &- 1) / tiles
    // The input's sums have been written for some steps at once, and a large weight has been read since then.
    let far = k0 == 0 && p.mode >= 0 && p.k >= blockDepth
    var i = 0
    while i < p.rows {
        let rows = one ? 1 : tileRows(p.rows &- i, vectors)
        let a = p.a + (i &* p.lda &+ k0)
        var at = sums.row(i)
        at.next += (i &+ tallest(vectors) &- 1) / tallest(vectors) &* depth &* share
        if far && rows > 3 {
            for r in 0..<rows {
                for j in 0..<vectors { snn_prefetch(at.start + (r &* at.ldStart &+ j &* V.lanes)) }
            }
        }
        let w = (at: b, share: share)
        switch rows {
        case 1: tile(1, vectors, depth, a, p.lda, w, at, V.zero)
        case 2 where !one: tile(2, vectors, depth, a, p.lda, w, at, V.zero)
        case 3 where !one: tile(3, vectors, depth, a, p.lda, w, at, V.zero)
        case 4 where !one && tallest(vectors) > 3: tile(4, vectors, depth, a, p.lda, w, at, V.zero)
        case 6 where !one && tallest(vectors) > 3: tile(6, vectors, depth, a, p.lda, w, at, V.zero)
        default: if tallest(vectors) == 8 { tile(8, vectors, depth, a, p.lda, w, at, V.zero) }
        }
        i &+= rows
    }
}

/// Rows of the tallest tile of so many vectors.
@_transparent
private func tallest(_ vectors: Int) -> Int { vectors < Level.stripVectors ? 8 : Level.stripRows }

/// Rows of the next tile when `rest` are left: no row is computed for nothing, and no tile of one is left behind a large one.
@_transparent
private func tileRows(_ rest: Int, _ vectors: Int) -> Int {
    if Level.stripRows < 6 { return min(rest, Level.stripRows) }
    if tallest(vectors) == 8 && (rest == 8 || rest >= 11) { return 8 }
    if rest == 6 || rest >= 9 { return 6 }
    return rest == 5 ? 3 : min(rest, 4)
}

/// `rows` and `vectors` are constants at every call, so that what a variant does not have folds away; the accumulators have names because
/// an array of them would live in memory. Transparent, because the optimiser leaves a call to an always-inline function of this size.
@_transparent
private func tile<V: Wide>(
    _ rows: Int, _ vectors: Int, _ k: Int, _ a: UnsafePointer<V.Scalar>, _ lda: Int,
    _ weights: (at: Vectors<V.Scalar>, share: Int), _ sums: Sums<V.Scalar>, _ zero: V
) {
    let w = V.lanes
    var r0a = zero, r0b = zero, r0c = zero, r0d = zero
    var r1a = zero, r1b = zero, r1c = zero, r1d = zero
    var r2a = zero, r2b = zero, r2c = zero, r2d = zero
    var r3a = zero, r3b = zero, r3c = zero, r3d = zero
    var r4a = zero, r4b = zero, r4c = zero, r4d = zero
    var r5a = zero, r5b = zero, r5c = zero, r5d = zero
    var r6a = zero, r6b = zero, r6c = zero
    var r7a = zero, r7b = zero, r7c = zero
    var a = a
    var b = weights.at.b
    // A constant but where a tile takes two of a strip's four vectors: four k lie at constant distances from each other.
    let step = Level.stripVectors == 1 ? w : vectors == 2 ? weights.at.step : vectors * w
    // a constant where vectors alternate
    let apart = Level.stripVectors > 1 ? w : weights.at.apart
    var next = sums.next
    @inline(__always) func multiply() {
        // Loads of a later k would need registers of their own.
        snn_keep_order()
        // Smaller tiles are alone, and go through the weights as fast as the hardware's prefetcher.
        if rows > 3 {
            cacheLines(next, vectors > 1 ? 2 * w : w) { snn_prefetch($0) }
            next += weights.share
        }
        let ba = V.load(b)
        let bb = vectors > 1 ? V.load(b + apart) : zero
        let bc = vectors > 2 ? V.load(b + 2 * apart) : zero
        let bd = vectors > 3 ? V.load(b + 3 * apart) : zero
        var s = V(a[0])
        r0a = .fma(s, ba, r0a)
        if vectors > 1 { r0b = .fma(s, bb, r0b) }
        if vectors > 2 { r0c = .fma(s, bc, r0c) }
        if vectors > 3 { r0d = .fma(s, bd, r0d) }
        if rows > 1 {
            s = V(a[lda])
            r1a = .fma(s, ba, r1a)
            if vectors > 1 { r1b = .fma(s, bb, r1b) }
            if vectors > 2 { r1c = .fma(s, bc, r1c) }
            if vectors > 3 { r1d = .fma(s, bd, r1d) }
        }
        if rows > 2 {
            s = V(a[2 &* lda])
            r2a = .fma(s, ba, r2a)
            if vectors > 1 { r2b = .fma(s, bb, r2b) }
            if vectors > 2 { r2c = .fma(s, bc, r2c) }
            if vectors > 3 { r2d = .fma(s, bd, r2d) }
        }
        if rows > 3 {
            s = V(a[3 &* lda])
            r3a = .fma(s, ba, r3a)
            if vectors > 1 { r3b = .fma(s, bb, r3b) }
            if vectors > 2 { r3c = .fma(s, bc, r3c) }
            if vectors > 3 { r3d = .fma(s, bd, r3d) }
        }
        if rows > 4 {
            s = V(a[4 &* lda])
            r4a = .fma(s, ba, r4a)
            if vectors > 1 { r4b = .fma(s, bb, r4b) }
            if vectors > 2 { r4c = .fma(s, bc, r4c) }
            if vectors > 3 { r4d = .fma(s, bd, r4d) }
        }
        if rows > 5 {
            s = V(a[5 &* lda])
            r5a = .fma(s, ba, r5a)
            if vectors > 1 { r5b = .fma(s, bb, r5b) }
            if vectors > 2 { r5c = .fma(s, bc, r5c) }
            if vectors > 3 { r5d = .fma(s, bd, r5d) }
        }
        if rows > 6 {
            s = V(a[6 &* lda])
            r6a = .fma(s, ba, r6a)
            if vectors > 1 { r6b = .fma(s, bb, r6b) }
            if vectors > 2 { r6c = .fma(s, bc, r6c) }
            s = V(a[7 &* lda])
            r7a = .fma(s, ba, r7a)
            if vectors > 1 { r7b = .fma(s, bb, r7b) }
            if vectors > 2 { r7c = .fma(s, bc, r7c) }
        }
        a += 1
        b += step
    }
    if Level.stripVectors == 1 || vectors > 2 {
        // as in the tile of the GEMM
        for _ in 0..<(k / 4) { multiply(); multiply(); multiply(); multiply() }
        for _ in 0..<(k % 4) { multiply() }
    } else {
        for _ in 0..<k { multiply() }
    }
    finish(0, vectors, r0a, r0b, r0c, r0d, sums)
    if rows > 1 { finish(1, vectors, r1a, r1b, r1c, r1d, sums) }
    if rows > 2 { finish(2, vectors, r2a, r2b, r2c, r2d, sums) }
    if rows > 3 { finish(3, vectors, r3a, r3b, r3c, r3d, sums) }
    if rows > 4 { finish(4, vectors, r4a, r4b, r4c, r4d, sums) }
    if rows > 5 { finish(5, vectors, r5a, r5b, r5c, r5d, sums) }
    if rows > 6 {
        finish(6, vectors, r6a, r6b, r6c, zero, sums)
        finish(7, vectors, r7a, r7b, r7c, zero, sums)
    }
}

@_transparent
private func finish<V: Wide>(_ i: Int, _ vectors: Int, _ a: V, _ b: V, _ c: V, _ d: V, _ sums: Sums<V.Scalar>) {
    let w = V.lanes
    let start = sums.start + i &* sums.ldStart
    let out = sums.out + i &* sums.ldOut
    if vectors > 1 { (V.load(start) + a).store(out) }
    if vectors > 2 { (V.load(start + w) + b).store(out + w) }
    if vectors > 3 { (V.load(start + 2 * w) + c).store(out + 2 * w) }
    let final = vectors == 4 ? d : vectors == 3 ? c : vectors == 2 ? b : a
    (V.load(sums.last + i &* sums.ldLast) + final).store(out + (vectors &- 1) &* w)
}

/// The cells of all rows: units from vector `first` on, of which `units` are left.
@inline(__always)
private func cells<T: Real>(_ p: Steps<T>, _ first: Int, _ count: Int, _ units: Int, _ sums: Sums<T>) {
    typealias V = T.Vector
    let w = V.lanes
    let y = p.y.unsafelyUnwrapped + first &* w
    // Vectors of an RNN that are computed row by row, and rows of its last vector that are computed four at a time.
    let narrow = p.gates == 1 && units &- (count &- 1) &* w == w / 4
    let whole = narrow ? count &- 1 : count
    switch p.mode {
    case Int(SNN_LSTM):
        let c = p.c.unsafelyUnwrapped + first &* w
        // The states first: the CPU has more rows under way where their outputs do not stand between them.
        for i in 0..<p.rows {
            let g = UnsafePointer(sums.out) + i &* sums.ldOut
            let cell = c + i &* p.ldc
            V.fma(V.sigmoid(.load(g + w)), .load(cell), V.sigmoidTimesTanh(.load(g), .load(g + 2 &* w))).store(cell)
        }
        for i in 0..<p.rows {
            let g = UnsafePointer(sums.out) + i &* sums.ldOut
            let state = V.load(UnsafePointer(c) + i &* p.ldc)
            put(V.sigmoidTimesTanh(.load(g + 3 &* w), state), y + i &* p.ldy, units)
            if let saved = p.saved {
                let to = saved + (i &* p.ldSaved &+ first &* w)
                put(V.sigmoid(.load(g)), to, units)
                put(V.sigmoid(.load(g + w)), to + p.gateStride, units)
                put(V.tanh(.load(g + 2 &* w)), to + 2 &* p.gateStride, units)
                put(V.sigmoid(.load(g + 3 &* w)), to + 3 &* p.gateStride, units)
                put(state, to + 4 &* p.gateStride, units)
            }
        }
    case Int(SNN_GRU):
        let h = p.h + first &* w
        let done = units == w / 4 ? narrowGates(p, first, sums) : 0
        // As above, what the candidates are of first. They stand where the reset gates' sums were.
        for i in done..<p.rows {
            let g = sums.out + i &* sums.ldOut
            let reset = V.sigmoid(.load(g))
            if let saved = p.saved { put(reset, saved + (i &* p.ldSaved &+ first &* w), units) }
            V.fma(reset, .load(g + 2 &* w), .load(sums.start + (i &* sums.ldStart &+ 2 &* w))).store(g)
        }
        for i in done..<p.rows {
            let g = UnsafePointer(sums.out) + i &* sums.ldOut
            let previous = get(h + i &* p.lda, units, V.self)
            let update = V.sigmoid(.load(g + w))
            let candidate = V.tanh(.load(g))
            // (1 - z) n + z h
            put(V.fma(update, previous - candidate, candidate), y + i &* p.ldy, units)
            if let saved = p.saved {
                let to = saved + (i &* p.ldSaved &+ first &* w)
                put(update, to + p.gateStride, units)
                put(candidate, to + 2 &* p.gateStride, units)
                put(V.load(g + 2 &* w), to + 3 &* p.gateStride, units)
            }
        }
    case Int(SNN_RNN_RELU):
        for i in 0..<p.rows {
            for j in 0..<whole {
                let sum = V.load(UnsafePointer(sums.out) + (i &* sums.ldOut &+ j &* w))
                put(V.max(sum, .zero), y + (i &* p.ldy &+ j &* w), units &- j &* w)
            }
        }
    default:
        for i in 0..<p.rows {
            for j in 0..<whole {
                let sum = V.load(UnsafePointer(sums.out) + (i &* sums.ldOut &+ j &* w))
                put(V.tanh(sum), y + (i &* p.ldy &+ j &* w), units &- j &* w)
            }
        }
    }
    if !narrow { return }
    var i = 0
    while i < p.rows {
        let four = i &+ 4 <= p.rows
        let from = UnsafePointer(sums.out) + (i &* sums.ldOut &+ whole &* w)
        let sum: V = four ? rows(from, sums.ldOut) : .load(from)
        let value = p.mode == Int(SNN_RNN_RELU) ? V.max(sum, .zero) : V.tanh(sum)
        let to = y + (i &* p.ldy &+ whole &* w)
        // Nowhere under a mask, which the loads of the next step would have to wait for.
        if four { value.storeQuarters(to, stride: p.ldy, 4, count: w / 4) } else { value.storeQuarters(to, stride: 0, 1, count: w / 4) }
        i &+= four ? 4 : 1
    }
}

/// The GRU cells of a strip whose units are a quarter, of four rows at a time; how many rows that were.
@inline(never)
private func narrowGates<T: Real>(_ p: Steps<T>, _ first: Int, _ sums: Sums<T>) -> Int {
    typealias V = T.Vector
    let w = V.lanes, quarter = V.lanes / 4
    let y = p.y.unsafelyUnwrapped + first &* w
    var i = 0
    while i &+ 4 <= p.rows {
        let g = UnsafePointer(sums.out) + i &* sums.ldOut
        let previous: V = rows(p.h + (i &* p.lda &+ first &* w), p.lda)
        let hidden: V = rows(g + 2 &* w, sums.ldOut)
        let reset = V.sigmoid(rows(g, sums.ldOut))
        let update = V.sigmoid(rows(g + w, sums.ldOut))
        let candidate = V.tanh(V.fma(reset, hidden, rows(sums.start + (i &* sums.ldStart &+ 2 &* w), sums.ldStart)))
        V.fma(update, previous - candidate, candidate).storeQuarters(y + i &* p.ldy, stride: p.ldy, 4, count: quarter)
        if let saved = p.saved {
            let to = saved + (i &* p.ldSaved &+ first &* w)
            reset.storeQuarters(to, stride: p.ldSaved, 4, count: quarter)
            update.storeQuarters(to + p.gateStride, stride: p.ldSaved, 4, count: quarter)
            candidate.storeQuarters(to + 2 &* p.gateStride, stride: p.ldSaved, 4, count: quarter)
            hidden.storeQuarters(to + 3 &* p.gateStride, stride: p.ldSaved, 4, count: quarter)
        }
        i &+= 4
    }
    return i
}

/// A quarter of each of four rows.
@inline(__always)
private func rows<V: Wide>(_ p: UnsafePointer<V.Scalar>, _ ld: Int) -> V { V.loadQuarters(p, p + ld, p + 2 &* ld, p + 3 &* ld) }

/// The LSTM cells of a short strip, of four rows at a time.
@inline(__always)
private func shortCells<T: Real>(_ p: Steps<T>, _ first: Int, _ units: Int, _ sums: Sums<T>) {
    typealias V = T.Vector
    let w = V.lanes
    var i = 0
    while i < p.rows {
        let rows = min(4, p.rows &- i)
        // Rows that are not there are the last one once more.
        let one = min(1, rows &- 1), two = min(2, rows &- 1), three = min(3, rows &- 1)
        let g = UnsafePointer(sums.out) + i &* sums.ldOut
        let a = V.load(g), b = V.load(g + one &* sums.ldOut), c = V.load(g + two &* sums.ldOut), d = V.load(g + three &* sums.ldOut)
        let cell = p.c.unsafelyUnwrapped + (i &* p.ldc &+ first &* w)
        let before = V.loadQuarters(cell, cell + one &* p.ldc, cell + two &* p.ldc, cell + three &* p.ldc)
        let inputGate = V.quarters(0, a, b, c, d), candidate = V.quarters(2, a, b, c, d), outputGate = V.quarters(3, a, b, c, d)
        let forget = V.sigmoid(V.quarters(1, a, b, c, d))
        let state = V.fma(forget, before, V.sigmoidTimesTanh(inputGate, candidate))
        state.storeQuarters(cell, stride: p.ldc, rows, count: w / 4)
        let y = p.y.unsafelyUnwrapped + (i &* p.ldy &+ first &* w)
        V.sigmoidTimesTanh(outputGate, state).storeQuarters(y, stride: p.ldy, rows, count: units)
        if let saved = p.saved {
            let to = saved + (i &* p.ldSaved &+ first &* w)
            V.sigmoid(inputGate).storeQuarters(to, stride: p.ldSaved, rows, count: units)
            forget.storeQuarters(to + p.gateStride, stride: p.ldSaved, rows, count: units)
            V.tanh(candidate).storeQuarters(to + 2 &* p.gateStride, stride: p.ldSaved, rows, count: units)
            V.sigmoid(outputGate).storeQuarters(to + 3 &* p.gateStride, stride: p.ldSaved, rows, count: units)
            state.storeQuarters(to + 4 &* p.gateStride, stride: p.ldSaved, rows, count: units)
        }
        i &+= 4
    }
}

@inline(__always)
private func put<V: Wide>(_ v: V, _ p: UnsafeMutablePointer<V.Scalar>, _ n: Int) {
    if n >= V.lanes { v.store(p) } else { v.storeFirst(p, n) }
}

@inline(__always)
private func get<V: Wide>(_ p: UnsafePointer<V.Scalar>, _ n: Int, _: V.Type) -> V {
    n >= V.lanes ? .load(p) : .loadFirst(p, n)
}

/// Packs strips of a weight whose rows are gates * units, of zeros where the last vector has no unit.
@inline(never)
func packStrips<T: Real>(_ argument: UnsafePointer<snn_strip_pack>, _: T.Type) {
    let p = argument.pointee
    let src = p.src.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    var out = p.dst.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let rs = Int(p.rs), ks = Int(p.ks), gates = Int(p.gates), units = Int(p.units), depth = Int(p.k)
    let lanes = T.Vector.lanes
    let vectors = (units &+ lanes &- 1) / lanes
    for strip in Int(p.first)..<Int(p.first &+ p.count) {
        let first = gates == 1 ? 4 &* strip : strip
        let count = gates == 1 ? min(4, vectors &- first) : gates
        if isShort(gates, units &- first &* lanes, T.Vector.self) {
            let valid = units &- first &* lanes
            for k in 0..<depth {
                let to = out + k &* lanes
                T.Vector.zero.store(to)
                for j in 0..<gates {
                    for i in 0..<valid { to[j &* (lanes / 4) &+ i] = src[(j &* units &+ first &* lanes &+ i) &* rs &+ k &* ks] }
                }
            }
            return
        }
        var k0 = 0
        while k0 < depth {
            let block = min(blockDepth, depth &- k0)
            packBlock(p, src + k0 &* ks, first, count, block, out)
            out += count &* lanes &* block
            k0 &+= block
        }
    }
}

/// A block of k of the strip from vector `first` on.
@inline(__always)
private func packBlock<T: Real>(
    _ p: snn_strip_pack, _ src: UnsafePointer<T>, _ first: Int, _ count: Int, _ depth: Int, _ out: UnsafeMutablePointer<T>
) {
    let rs = Int(p.rs), ks = Int(p.ks), gates = Int(p.gates), units = Int(p.units)
    let lanes = T.Vector.lanes
    let (step, apart) = distances(count, depth, T.Vector.self)
    for j in 0..<count {
        let unit = (gates == 1 ? first &+ j : first) &* lanes
        let valid = min(lanes, units &- unit)
        let from = src + ((gates == 1 ? unit : j &* units &+ unit) &* rs)
        let to = out + j &* apart
        if rs == 1 {
            // Rows of k are contiguous in units.
            for k in 0..<depth { get(from + k &* ks, valid, T.Vector.self).store(to + k &* step) }
            continue
        }
        if valid < lanes {
            for k in 0..<depth { T.Vector.zero.store(to + k &* step) }
        }
        if ks == 1 {
            transposePanel(from, rs, to, depth, step, valid)
        } else {
            for k in 0..<depth {
                for i in 0..<valid { to[k &* step &+ i] = from[i &* rs &+ k &* ks] }
            }
        }
    }
}
