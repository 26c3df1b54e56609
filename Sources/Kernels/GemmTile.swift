// The GEMM micro-kernel: C[rows, 2 vectors] over k, accumulators in registers.
//
// Contract: number k of row i of A is a[i * rs + k * ks], in a packed panel as where A lies; b gives the two vectors of B for each k; c has
// room for `rows` rows of nr numbers ldc apart, any alignment; nothing else is touched. Every element is one chain of fused multiply-adds over the block's k in order,
// beginning with its start; `accumulate` then adds what C held, the sum of the blocks before. Sums of blocks lose fewer digits than one
// chain; where k is cut depends on k alone, so the bits do too.
// Loop invariant: r<i>a, r<i>b hold row i of C after the first p terms.
//
// The accumulators have names because an array of them would live in memory; `rows` is a constant at every call, so that the rows a
// variant does not have fold away. Transparent, because the optimiser leaves calls to an always-inline function of this size, which then
// asks for each row whether it is there, in the innermost loop.
//
// Meanwhile the tile asks for aheadStep numbers from `ahead` on for each k, its share of the panel that is used next.
import CSwiftNN

/// Where a tile's accumulators begin.
enum TileStart<Scalar> {
    case zero
    /// Row i at pointer + i * stride (stride 0: one row for all, the column bias).
    case rows(UnsafePointer<Scalar>, Int)
    /// Row i begins as number i everywhere (the row bias).
    case splat(UnsafePointer<Scalar>)
}

/// Where a tile gets its numbers of A from, k after k: up to four rows from each of three pointers.
struct TileRows<Scalar> {
    var first, second, third: UnsafePointer<Scalar>
    let rs, rs3, ks: Int

    @_transparent init(_ a: UnsafePointer<Scalar>, rs: Int, ks: Int) {
        (first, second, third) = (a, a + 4 * rs, a + 8 * rs)
        (self.rs, rs3, self.ks) = (rs, 3 * rs, ks)
    }
    /// Eight rows, four of them anywhere.
    @_transparent init(_ a: UnsafePointer<Scalar>, _ b: UnsafePointer<Scalar>, rs: Int, ks: Int) {
        (first, second, third) = (a, b, b)
        (self.rs, rs3, self.ks) = (rs, 3 * rs, ks)
    }
    /// Keeps the optimiser from making a pointer of each of `rows` rows, for which there are no registers, or one that goes from row to row.
    @_transparent mutating func hide(_ rows: Int) {
        first = snn_hide(first).assumingMemoryBound(to: Scalar.self)
        if rows > 4 { second = snn_hide(second).assumingMemoryBound(to: Scalar.self) }
        if rows > 8 { third = snn_hide(third).assumingMemoryBound(to: Scalar.self) }
    }
    @_transparent mutating func next(_ rows: Int) {
        first += ks
        if rows > 4 { second += ks }
        if rows > 8 { third += ks }
    }
}

/// Where a tile gets its vectors of B from, k after k.
protocol TileColumns {
    associatedtype V: TileVector
    mutating func next() -> (V, V)
    /// Whether both are different; else the tile is one vector wide.
    static var isPair: Bool { get }
    /// Asks for two vectors of a later panel, where there are panels.
    static func prefetch(_ p: UnsafePointer<V.Scalar>)
}

/// Calls `ask` with an address in each cache line of n numbers, of which there are one or two. Where they are not aligned, a line that
/// they begin in was one of their left neighbours'.
@_transparent
func cacheLines<T>(_ p: UnsafePointer<T>, _ n: Int, _ ask: (UnsafeRawPointer) -> Void) {
    if n * MemoryLayout<T>.stride > 64 { ask(p + (n / 2 - 1)) }
    ask(p + (n - 1))
}

/// A packed panel, or rows of a matrix in the caches. It comes from the second-level cache or beyond: a panel is used once by every tile of
/// its column.
struct PanelColumns<V: TileVector>: TileColumns {
    var b: UnsafePointer<V.Scalar>
    let stride: Int
    /// How far ahead the nearest cache is asked for numbers.
    let near: Int
    @_transparent mutating func next() -> (V, V) {
        let vectors = (V.load(b), V.load(b + V.lanes))
        cacheLines(b + near, 2 * V.lanes) { snn_prefetch_near($0) }
        b += stride
        return vectors
    }
    @_transparent static var isPair: Bool { true }
    @_transparent static func prefetch(_ p: UnsafePointer<V.Scalar>) {
        // A single line: the prefetchers bring its neighbour.
        snn_prefetch(p + (min(2 * V.lanes, 64 / MemoryLayout<V.Scalar>.stride) - 1))
    }
}

/// The first vectors of a panel whose second ones are zeros.
struct NarrowColumns<V: TileVector>: TileColumns {
    var b: UnsafePointer<V.Scalar>
    let stride: Int
    @_transparent mutating func next() -> (V, V) {
        let vector = V.load(b)
        b += stride
        return (vector, vector)
    }
    @_transparent static var isPair: Bool { false }
    @_transparent static func prefetch(_ p: UnsafePointer<V.Scalar>) { snn_prefetch(p) }
}

/// The same for a single row, which the caches' prefetchers follow.
struct RowOfPanel<V: TileVector>: TileColumns {
    var b: UnsafePointer<V.Scalar>
    let stride: Int
    @_transparent mutating func next() -> (V, V) {
        let vectors = (V.load(b), V.load(b + V.lanes))
        b += stride
        return vectors
    }
    @_transparent static var isPair: Bool { true }
    @_transparent static func prefetch(_ p: UnsafePointer<V.Scalar>) {}
}

/// Pixels of an image in place: two vectors of them, anywhere, the same offsets from both for each k.
struct PixelColumns<V: TileVector>: TileColumns {
    let left, right: UnsafePointer<V.Scalar>
    var offset: UnsafePointer<Int64>
    @_transparent mutating func next() -> (V, V) {
        let at = Int(offset[0])
        offset += 1
        return (.load(left + at), .load(right + at))
    }
    @_transparent static var isPair: Bool { true }
    @_transparent static func prefetch(_ p: UnsafePointer<V.Scalar>) {}
}

@_transparent
func gemmTile<B: TileColumns>(
    rows: Int, k: Int, a: UnsafePointer<B.V.Scalar>, rs: Int, ks: Int, b: B, start: TileStart<B.V.Scalar>,
    c: UnsafeMutablePointer<B.V.Scalar>, ldc: Int,
    accumulate: Bool, far: Bool, stream: Bool, ahead: UnsafePointer<B.V.Scalar>, aheadStep: Int, zero: B.V
) {
    typealias V = B.V
    let w = V.lanes
    var r0a = zero, r0b = zero, r1a = zero, r1b = zero, r2a = zero, r2b = zero, r3a = zero, r3b = zero
    var r4a = zero, r4b = zero, r5a = zero, r5b = zero, r6a = zero, r6b = zero, r7a = zero, r7b = zero
    var r8a = zero, r8b = zero, r9a = zero, r9b = zero, r10a = zero, r10b = zero, r11a = zero, r11b = zero
    switch start {
    case .zero: break
    case .rows(let p, let stride):
        r0a = .load(p); r0b = .load(p + w)
        if rows > 1 { r1a = .load(p + stride); r1b = .load(p + stride + w) }
        if rows > 2 { r2a = .load(p + 2 * stride); r2b = .load(p + 2 * stride + w) }
        if rows > 3 { r3a = .load(p + 3 * stride); r3b = .load(p + 3 * stride + w) }
        if rows > 4 { r4a = .load(p + 4 * stride); r4b = .load(p + 4 * stride + w) }
        if rows > 5 { r5a = .load(p + 5 * stride); r5b = .load(p + 5 * stride + w) }
        if rows > 6 { r6a = .load(p + 6 * stride); r6b = .load(p + 6 * stride + w) }
        if rows > 7 { r7a = .load(p + 7 * stride); r7b = .load(p + 7 * stride + w) }
        if rows > 8 { r8a = .load(p + 8 * stride); r8b = .load(p + 8 * stride + w) }
        if rows > 9 { r9a = .load(p + 9 * stride); r9b = .load(p + 9 * stride + w) }
        if rows > 10 { r10a = .load(p + 10 * stride); r10b = .load(p + 10 * stride + w) }
        if rows > 11 { r11a = .load(p + 11 * stride); r11b = .load(p + 11 * stride + w) }
    case .splat(let p):
        r0a = V(p[0]); r0b = r0a
        if rows > 1 { r1a = V(p[1]); r1b = r1a }
        if rows > 2 { r2a = V(p[2]); r2b = r2a }
        if rows > 3 { r3a = V(p[3]); r3b = r3a }
        if rows > 4 { r4a = V(p[4]); r4b = r4a }
        if rows > 5 { r5a = V(p[5]); r5b = r5a }
        if rows > 6 { r6a = V(p[6]); r6b = r6a }
        if rows > 7 { r7a = V(p[7]); r7b = r7a }
        if rows > 8 { r8a = V(p[8]); r8b = r8a }
        if rows > 9 { r9a = V(p[9]); r9b = r9a }
        if rows > 10 { r10a = V(p[10]); r10b = r10a }
        if rows > 11 { r11a = V(p[11]); r11b = r11a }
    }
    // Short chains write C as fast as the memory takes it: its lines are on their way when they are done.
    if far && B.isPair {
        snn_prefetch(c); snn_prefetch(c + w)
        if rows > 1 { snn_prefetch(c + ldc); snn_prefetch(c + ldc + w) }
        if rows > 2 { snn_prefetch(c + 2 * ldc); snn_prefetch(c + 2 * ldc + w) }
        if rows > 3 { snn_prefetch(c + 3 * ldc); snn_prefetch(c + 3 * ldc + w) }
        if rows > 4 { snn_prefetch(c + 4 * ldc); snn_prefetch(c + 4 * ldc + w) }
        if rows > 5 { snn_prefetch(c + 5 * ldc); snn_prefetch(c + 5 * ldc + w) }
        if rows > 6 { snn_prefetch(c + 6 * ldc); snn_prefetch(c + 6 * ldc + w) }
        if rows > 7 { snn_prefetch(c + 7 * ldc); snn_prefetch(c + 7 * ldc + w) }
        if rows > 8 { snn_prefetch(c + 8 * ldc); snn_prefetch(c + 8 * ldc + w) }
        if rows > 9 { snn_prefetch(c + 9 * ldc); snn_prefetch(c + 9 * ldc + w) }
        if rows > 10 { snn_prefetch(c + 10 * ldc); snn_prefetch(c + 10 * ldc + w) }
        if rows > 11 { snn_prefetch(c + 11 * ldc); snn_prefetch(c + 11 * ldc + w) }
    }
    var a = TileRows(a, rs: rs, ks: ks)
    var b = b
    var ahead = ahead
    @inline(__always) func step() {
        B.prefetch(ahead)
        ahead += aheadStep
        let (ba, bb) = b.next()
        a.hide(rows)
        var s = V(a.first.pointee)
        r0a = .fma(s, ba, r0a); r0b = .fma(s, bb, r0b)
        if rows > 1 { s = V(a.first[a.rs]); r1a = .fma(s, ba, r1a); r1b = .fma(s, bb, r1b) }
        if rows > 2 { s = V(a.first[2 * a.rs]); r2a = .fma(s, ba, r2a); r2b = .fma(s, bb, r2b) }
        if rows > 3 { s = V(a.first[a.rs3]); r3a = .fma(s, ba, r3a); r3b = .fma(s, bb, r3b) }
        if rows > 4 { s = V(a.second.pointee); r4a = .fma(s, ba, r4a); r4b = .fma(s, bb, r4b) }
        if rows > 5 { s = V(a.second[a.rs]); r5a = .fma(s, ba, r5a); r5b = .fma(s, bb, r5b) }
        if rows > 6 { s = V(a.second[2 * a.rs]); r6a = .fma(s, ba, r6a); r6b = .fma(s, bb, r6b) }
        if rows > 7 { s = V(a.second[a.rs3]); r7a = .fma(s, ba, r7a); r7b = .fma(s, bb, r7b) }
        if rows > 8 { s = V(a.third.pointee); r8a = .fma(s, ba, r8a); r8b = .fma(s, bb, r8b) }
        if rows > 9 { s = V(a.third[a.rs]); r9a = .fma(s, ba, r9a); r9b = .fma(s, bb, r9b) }
        if rows > 10 { s = V(a.third[2 * a.rs]); r10a = .fma(s, ba, r10a); r10b = .fma(s, bb, r10b) }
        if rows > 11 { s = V(a.third[a.rs3]); r11a = .fma(s, ba, r11a); r11b = .fma(s, bb, r11b) }
        a.next(rows)
    }
    if 2 * w * MemoryLayout<V.Scalar>.stride > 64 {
        for _ in 0..<k { step() }
    } else {
        // What a loop costs besides multiply-adds a core's other thread, if there is one, makes dear.
        for _ in 0..<(k / 2) {
            step()
            snn_keep_order()
            step()
        }
        if k & 1 == 1 { step() }
    }
    if accumulate && B.isPair {
        r0a = r0a + .load(c); r0b = r0b + .load(c + w)
        if rows > 1 { r1a = r1a + .load(c + ldc); r1b = r1b + .load(c + ldc + w) }
        if rows > 2 { r2a = r2a + .load(c + 2 * ldc); r2b = r2b + .load(c + 2 * ldc + w) }
        if rows > 3 { r3a = r3a + .load(c + 3 * ldc); r3b = r3b + .load(c + 3 * ldc + w) }
        if rows > 4 { r4a = r4a + .load(c + 4 * ldc); r4b = r4b + .load(c + 4 * ldc + w) }
        if rows > 5 { r5a = r5a + .load(c + 5 * ldc); r5b = r5b + .load(c + 5 * ldc + w) }
        if rows > 6 { r6a = r6a + .load(c + 6 * ldc); r6b = r6b + .load(c + 6 * ldc + w) }
        if rows > 7 { r7a = r7a + .load(c + 7 * ldc); r7b = r7b + .load(c + 7 * ldc + w) }
        if rows > 8 { r8a = r8a + .load(c + 8 * ldc); r8b = r8b + .load(c + 8 * ldc + w) }
        if rows > 9 { r9a = r9a + .load(c + 9 * ldc); r9b = r9b + .load(c + 9 * ldc + w) }
        if rows > 10 { r10a = r10a + .load(c + 10 * ldc); r10b = r10b + .load(c + 10 * ldc + w) }
        if rows > 11 { r11a = r11a + .load(c + 11 * ldc); r11b = r11b + .load(c + 11 * ldc + w) }
    }
    if stream && B.isPair {
        r0a.stream(c); r0b.stream(c + w)
        if rows > 1 { r1a.stream(c + ldc); r1b.stream(c + ldc + w) }
        if rows > 2 { r2a.stream(c + 2 * ldc); r2b.stream(c + 2 * ldc + w) }
        if rows > 3 { r3a.stream(c + 3 * ldc); r3b.stream(c + 3 * ldc + w) }
        if rows > 4 { r4a.stream(c + 4 * ldc); r4b.stream(c + 4 * ldc + w) }
        if rows > 5 { r5a.stream(c + 5 * ldc); r5b.stream(c + 5 * ldc + w) }
        if rows > 6 { r6a.stream(c + 6 * ldc); r6b.stream(c + 6 * ldc + w) }
        if rows > 7 { r7a.stream(c + 7 * ldc); r7b.stream(c + 7 * ldc + w) }
        if rows > 8 { r8a.stream(c + 8 * ldc); r8b.stream(c + 8 * ldc + w) }
        if rows > 9 { r9a.stream(c + 9 * ldc); r9b.stream(c + 9 * ldc + w) }
        if rows > 10 { r10a.stream(c + 10 * ldc); r10b.stream(c + 10 * ldc + w) }
        if rows > 11 { r11a.stream(c + 11 * ldc); r11b.stream(c + 11 * ldc + w) }
        return
    }
    r0a.store(c)
    if rows > 1 { r1a.store(c + ldc) }
    if rows > 2 { r2a.store(c + 2 * ldc) }
    if rows > 3 { r3a.store(c + 3 * ldc) }
    if rows > 4 { r4a.store(c + 4 * ldc) }
    if rows > 5 { r5a.store(c + 5 * ldc) }
    if rows > 6 { r6a.store(c + 6 * ldc) }
    if rows > 7 { r7a.store(c + 7 * ldc) }
    if rows > 8 { r8a.store(c + 8 * ldc) }
    if rows > 9 { r9a.store(c + 9 * ldc) }
    if rows > 10 { r10a.store(c + 10 * ldc) }
    if rows > 11 { r11a.store(c + 11 * ldc) }
    if !B.isPair { return }
    r0b.store(c + w)
    if rows > 1 { r1b.store(c + ldc + w) }
    if rows > 2 { r2b.store(c + 2 * ldc + w) }
    if rows > 3 { r3b.store(c + 3 * ldc + w) }
    if rows > 4 { r4b.store(c + 4 * ldc + w) }
    if rows > 5 { r5b.store(c + 5 * ldc + w) }
    if rows > 6 { r6b.store(c + 6 * ldc + w) }
    if rows > 7 { r7b.store(c + 7 * ldc + w) }
    if rows > 8 { r8b.store(c + 8 * ldc + w) }
    if rows > 9 { r9b.store(c + 9 * ldc + w) }
    if rows > 10 { r10b.store(c + 10 * ldc + w) }
    if rows > 11 { r11b.store(c + 11 * ldc + w) }
}

/// One row against eight vectors at once: a single row of two would wait for the latency of its two chains.
@inline(__always)
func gemmRow<B: TileColumns>(
    k: Int, a: UnsafePointer<B.V.Scalar>, ks: Int, _ first: B, _ second: B, _ third: B, _ fourth: B, start: TileStart<B.V.Scalar>,
    c: UnsafeMutablePointer<B.V.Scalar>, accumulate: Bool, zero: B.V
) {
    typealias V = B.V
    let w = V.lanes
    var r0 = zero, r1 = zero, r2 = zero, r3 = zero, r4 = zero, r5 = zero, r6 = zero, r7 = zero
    switch start {
    case .zero: break
    case .rows(let p, _):
        r0 = .load(p); r1 = .load(p + w); r2 = .load(p + 2 * w); r3 = .load(p + 3 * w)
        r4 = .load(p + 4 * w); r5 = .load(p + 5 * w); r6 = .load(p + 6 * w); r7 = .load(p + 7 * w)
    case .splat(let p):
        r0 = V(p[0]); r1 = r0; r2 = r0; r3 = r0; r4 = r0; r5 = r0; r6 = r0; r7 = r0
    }
    var a = a
    var first = first, second = second, third = third, fourth = fourth
    for _ in 0..<k {
        let s = V(a[0])
        var (u, v) = first.next()
        r0 = .fma(s, u, r0); r1 = .fma(s, v, r1)
        (u, v) = second.next()
        r2 = .fma(s, u, r2); r3 = .fma(s, v, r3)
        (u, v) = third.next()
        r4 = .fma(s, u, r4); r5 = .fma(s, v, r5)
        (u, v) = fourth.next()
        r6 = .fma(s, u, r6); r7 = .fma(s, v, r7)
        a += ks
    }
    if accumulate {
        r0 = r0 + .load(c); r1 = r1 + .load(c + w); r2 = r2 + .load(c + 2 * w); r3 = r3 + .load(c + 3 * w)
        r4 = r4 + .load(c + 4 * w); r5 = r5 + .load(c + 5 * w); r6 = r6 + .load(c + 6 * w); r7 = r7 + .load(c + 7 * w)
    }
    r0.store(c); r1.store(c + w); r2.store(c + 2 * w); r3.store(c + 3 * w)
    r4.store(c + 4 * w); r5.store(c + 5 * w); r6.store(c + 6 * w); r7.store(c + 7 * w)
}

/// Four rows against four vectors: sixteen chains.
@_transparent
func gemmFourRows<B: TileColumns>(
    k: Int, a: UnsafePointer<B.V.Scalar>, rs: Int, ks: Int, left: B, right: B, start: TileStart<B.V.Scalar>,
    c: UnsafeMutablePointer<B.V.Scalar>, ldc: Int, accumulate: Bool, stream: Bool, zero: B.V
) {
    typealias V = B.V
    let w = V.lanes
    var r0a = zero, r0b = zero, r0c = zero, r0d = zero
    var r1a = zero, r1b = zero, r1c = zero, r1d = zero
    var r2a = zero, r2b = zero, r2c = zero, r2d = zero
    var r3a = zero, r3b = zero, r3c = zero, r3d = zero
    switch start {
    case .zero: break
    case .rows(let p, let stride):
        var q = p
        r0a = .load(q); r0b = .load(q + 1 * w); r0c = .load(q + 2 * w); r0d = .load(q + 3 * w)
        q += stride
        r1a = .load(q); r1b = .load(q + 1 * w); r1c = .load(q + 2 * w); r1d = .load(q + 3 * w)
        q += stride
        r2a = .load(q); r2b = .load(q + 1 * w); r2c = .load(q + 2 * w); r2d = .load(q + 3 * w)
        q += stride
        r3a = .load(q); r3b = .load(q + 1 * w); r3c = .load(q + 2 * w); r3d = .load(q + 3 * w)
    case .splat(let p):
        r0a = V(p[0]); r0b = r0a; r0c = r0a; r0d = r0a
        r1a = V(p[1]); r1b = r1a; r1c = r1a; r1d = r1a
        r2a = V(p[2]); r2b = r2a; r2c = r2a; r2d = r2a
        r3a = V(p[3]); r3b = r3a; r3c = r3a; r3d = r3a
    }
    var a = TileRows(a, rs: rs, ks: ks)
    var left = left
    var right = right
    for _ in 0..<k {
        let (ba, bb) = left.next()
        let (bc, bd) = right.next()
        a.hide(4)
        var s = V(a.first.pointee)
        r0a = .fma(s, ba, r0a); r0b = .fma(s, bb, r0b); r0c = .fma(s, bc, r0c); r0d = .fma(s, bd, r0d)
        s = V(a.first[a.rs])
        r1a = .fma(s, ba, r1a); r1b = .fma(s, bb, r1b); r1c = .fma(s, bc, r1c); r1d = .fma(s, bd, r1d)
        s = V(a.first[2 * a.rs])
        r2a = .fma(s, ba, r2a); r2b = .fma(s, bb, r2b); r2c = .fma(s, bc, r2c); r2d = .fma(s, bd, r2d)
        s = V(a.first[a.rs3])
        r3a = .fma(s, ba, r3a); r3b = .fma(s, bb, r3b); r3c = .fma(s, bc, r3c); r3d = .fma(s, bd, r3d)
        a.next(4)
    }
    var q = c
    if accumulate {
        r0a = r0a + .load(q); r0b = r0b + .load(q + 1 * w); r0c = r0c + .load(q + 2 * w); r0d = r0d + .load(q + 3 * w)
        q += ldc
        r1a = r1a + .load(q); r1b = r1b + .load(q + 1 * w); r1c = r1c + .load(q + 2 * w); r1d = r1d + .load(q + 3 * w)
        q += ldc
        r2a = r2a + .load(q); r2b = r2b + .load(q + 1 * w); r2c = r2c + .load(q + 2 * w); r2d = r2d + .load(q + 3 * w)
        q += ldc
        r3a = r3a + .load(q); r3b = r3b + .load(q + 1 * w); r3c = r3c + .load(q + 2 * w); r3d = r3d + .load(q + 3 * w)
        q = c
    }
    if stream {
        r0a.stream(q); r0b.stream(q + 1 * w); r0c.stream(q + 2 * w); r0d.stream(q + 3 * w)
        q += ldc
        r1a.stream(q); r1b.stream(q + 1 * w); r1c.stream(q + 2 * w); r1d.stream(q + 3 * w)
        q += ldc
        r2a.stream(q); r2b.stream(q + 1 * w); r2c.stream(q + 2 * w); r2d.stream(q + 3 * w)
        q += ldc
        r3a.stream(q); r3b.stream(q + 1 * w); r3c.stream(q + 2 * w); r3d.stream(q + 3 * w)
        return
    }
    r0a.store(q); r0b.store(q + 1 * w); r0c.store(q + 2 * w); r0d.store(q + 3 * w)
    q += ldc
    r1a.store(q); r1b.store(q + 1 * w); r1c.store(q + 2 * w); r1d.store(q + 3 * w)
    q += ldc
    r2a.store(q); r2b.store(q + 1 * w); r2c.store(q + 2 * w); r2d.store(q + 3 * w)
    q += ldc
    r3a.store(q); r3b.store(q + 1 * w); r3c.store(q + 2 * w); r3d.store(q + 3 * w)
}
