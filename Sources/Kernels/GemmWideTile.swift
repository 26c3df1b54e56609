// The GEMM micro-kernel of levels with registers for it: eight rows against three vectors. As many accumulators as twelve rows against two,
// but eleven loads for their 24 multiply-adds instead of fourteen, which is where Intel's cores have the multiply-adds wait.
//
// Where two panels are left, six rows against four vectors: ten loads. Where A's distances are constants (rows in place, packed panels) four
// k at a time need no instructions but these and one for each pointer; GemmBlock.swift has a function for each way in which A lies.
//
// Contract as gemmTile's (GemmTile.swift), for whole tiles: every element has the same chain, so the bits are the same.
import CSwiftNN

/// Where a tile of three vectors gets them from.
protocol TileTriples {
    associatedtype V: TileVector
    static var ofPixels: Bool { get }
    /// Those `u` numbers of k further on.
    func ahead(_ u: Int) -> (V, V, V)
    mutating func skip(_ u: Int)
    /// What they are found by.
    var place: UnsafeRawPointer { get set }
}

/// Three vectors of packed panels side by side.
struct PanelTriples<V: TileVector>: TileTriples {
    @_transparent static var ofPixels: Bool { false }
    var b: UnsafePointer<V.Scalar>
    /// From the first vector to the others.
    let second, third: Int
    @_transparent func ahead(_ u: Int) -> (V, V, V) {
        let b = b + u * 2 * V.lanes
        return (.load(b), .load(b + second), .load(b + third))
    }
    @_transparent mutating func skip(_ u: Int) { b += u * 2 * V.lanes }
    @_transparent var place: UnsafeRawPointer {
        get { UnsafeRawPointer(b) }
        set { b = newValue.assumingMemoryBound(to: V.Scalar.self) }
    }
}

/// Pixels of an image in place: three vectors of them, anywhere.
struct PixelTriples<V: TileVector>: TileTriples {
    @_transparent static var ofPixels: Bool { true }
    let first, second, third: UnsafePointer<V.Scalar>
    var offset: UnsafePointer<Int64>
    @_transparent func ahead(_ u: Int) -> (V, V, V) {
        let at = Int(offset[u])
        return (.load(first + at), .load(second + at), .load(third + at))
    }
    @_transparent mutating func skip(_ u: Int) { offset += u }
    @_transparent var place: UnsafeRawPointer {
        get { UnsafeRawPointer(offset) }
        set { offset = newValue.assumingMemoryBound(to: Int64.self) }
    }
}

/// All accumulators of a tile of 24.
typealias Accumulators<V> = (V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V)

/// C[8 rows, 3 vectors] over k. Each k asks for its aheadStep numbers from `ahead` on, if that is not nil.
/// unrolled: a.ks is a constant.
@_transparent
func gemmWideTile<B: TileTriples>(
    k: Int, a: TileRows<B.V.Scalar>, b: B, start: TileStart<B.V.Scalar>, c: UnsafeMutablePointer<B.V.Scalar>, ldc: Int,
    accumulate: Bool, far: Bool, stream: Bool, ahead: UnsafePointer<B.V.Scalar>?, aheadStep: Int, unrolled: Bool, zero: B.V
) {
    typealias V = B.V
    let w = V.lanes
    var r0a = zero, r0b = zero, r0c = zero
    var r1a = zero, r1b = zero, r1c = zero
    var r2a = zero, r2b = zero, r2c = zero
    var r3a = zero, r3b = zero, r3c = zero
    var r4a = zero, r4b = zero, r4c = zero
    var r5a = zero, r5b = zero, r5c = zero
    var r6a = zero, r6b = zero, r6c = zero
    var r7a = zero, r7b = zero, r7c = zero
    switch start {
    case .zero: break
    case .rows(let p, let stride):
        var q = p
        r0a = .load(q); r0b = .load(q + w); r0c = .load(q + 2 * w)
        q += stride
        r1a = .load(q); r1b = .load(q + w); r1c = .load(q + 2 * w)
        q += stride
        r2a = .load(q); r2b = .load(q + w); r2c = .load(q + 2 * w)
        q += stride
        r3a = .load(q); r3b = .load(q + w); r3c = .load(q + 2 * w)
        q += stride
        r4a = .load(q); r4b = .load(q + w); r4c = .load(q + 2 * w)
        q += stride
        r5a = .load(q); r5b = .load(q + w); r5c = .load(q + 2 * w)
        q += stride
        r6a = .load(q); r6b = .load(q + w); r6c = .load(q + 2 * w)
        q += stride
        r7a = .load(q); r7b = .load(q + w); r7c = .load(q + 2 * w)
    case .splat(let p):
        r0a = V(p[0]); r0b = r0a; r0c = r0a
        r1a = V(p[1]); r1b = r1a; r1c = r1a
        r2a = V(p[2]); r2b = r2a; r2c = r2a
        r3a = V(p[3]); r3b = r3a; r3c = r3a
        r4a = V(p[4]); r4b = r4a; r4c = r4a
        r5a = V(p[5]); r5b = r5a; r5c = r5a
        r6a = V(p[6]); r6b = r6a; r6c = r6a
        r7a = V(p[7]); r7b = r7a; r7c = r7a
    }
    if far {
        var q = UnsafePointer(c)
        for _ in 0..<8 {
            snn_prefetch(q); snn_prefetch(q + w); snn_prefetch(q + 2 * w)
            q += ldc
        }
    }
    var a = a
    var b = b
    var next = ahead ?? UnsafePointer(c)
    // Number u of k from where a and b stand. Two k at a time, as the optimiser would have them, need more registers than there are.
    @inline(__always) func step(_ u: Int) {
        let at = Level.hide(
            snn_three_pointers(a: a.first, b: a.second, c: b.place),
            behind: (
                r0a, r0b, r0c, r1a, r1b, r1c, r2a, r2b, r2c, r3a, r3b, r3c, r4a, r4b, r4c, r5a, r5b, r5c, r6a, r6b, r6c, r7a, r7b, r7c
            ))
        a.first = at.a.unsafelyUnwrapped.assumingMemoryBound(to: V.Scalar.self)
        a.second = at.b.unsafelyUnwrapped.assumingMemoryBound(to: V.Scalar.self)
        b.place = at.c.unsafelyUnwrapped
        let (ba, bb, bc) = b.ahead(u)
        let x = a.first + u * a.ks, y = a.second + u * a.ks
        var s = V(x[0])
        r0a = .fma(s, ba, r0a); r0b = .fma(s, bb, r0b); r0c = .fma(s, bc, r0c)
        s = V(x[a.rs])
        r1a = .fma(s, ba, r1a); r1b = .fma(s, bb, r1b); r1c = .fma(s, bc, r1c)
        s = V(x[2 * a.rs])
        r2a = .fma(s, ba, r2a); r2b = .fma(s, bb, r2b); r2c = .fma(s, bc, r2c)
        s = V(x[3 * a.rs])
        r3a = .fma(s, ba, r3a); r3b = .fma(s, bb, r3b); r3c = .fma(s, bc, r3c)
        s = V(y[0])
        r4a = .fma(s, ba, r4a); r4b = .fma(s, bb, r4b); r4c = .fma(s, bc, r4c)
        s = V(y[a.rs])
        r5a = .fma(s, ba, r5a); r5b = .fma(s, bb, r5b); r5c = .fma(s, bc, r5c)
        s = V(y[2 * a.rs])
        r6a = .fma(s, ba, r6a); r6b = .fma(s, bb, r6b); r6c = .fma(s, bc, r6c)
        s = V(y[3 * a.rs])
        r7a = .fma(s, ba, r7a); r7b = .fma(s, bb, r7b); r7c = .fma(s, bc, r7c)
    }
    @inline(__always) func skip(_ u: Int) {
        a.first += u * a.ks
        a.second += u * a.ks
        b.skip(u)
    }
    // What is not a multiply-add counts where another thread has half of the core's turns: constant distances take four k without any.
    if unrolled {
        let manyLines = 4 * aheadStep * MemoryLayout<V.Scalar>.stride > 64
        for _ in 0..<(k / 4) {
            if ahead != nil {
                snn_prefetch(next)
                if manyLines { snn_prefetch(next + aheadStep); snn_prefetch(next + 2 * aheadStep); snn_prefetch(next + 3 * aheadStep) }
                next += 4 * aheadStep
            }
            step(0)
            step(1)
            step(2)
            step(3)
            skip(4)
        }
    }
    for _ in 0..<(unrolled ? k & 3 : k) {
        step(0)
        skip(1)
    }
    var q = c
    if accumulate {
        r0a = r0a + .load(q); r0b = r0b + .load(q + w); r0c = r0c + .load(q + 2 * w)
        q += ldc
        r1a = r1a + .load(q); r1b = r1b + .load(q + w); r1c = r1c + .load(q + 2 * w)
        q += ldc
        r2a = r2a + .load(q); r2b = r2b + .load(q + w); r2c = r2c + .load(q + 2 * w)
        q += ldc
        r3a = r3a + .load(q); r3b = r3b + .load(q + w); r3c = r3c + .load(q + 2 * w)
        q += ldc
        r4a = r4a + .load(q); r4b = r4b + .load(q + w); r4c = r4c + .load(q + 2 * w)
        q += ldc
        r5a = r5a + .load(q); r5b = r5b + .load(q + w); r5c = r5c + .load(q + 2 * w)
        q += ldc
        r6a = r6a + .load(q); r6b = r6b + .load(q + w); r6c = r6c + .load(q + 2 * w)
        q += ldc
        r7a = r7a + .load(q); r7b = r7b + .load(q + w); r7c = r7c + .load(q + 2 * w)
        q = c
    }
    if stream {
        r0a.stream(q); r0b.stream(q + w); r0c.stream(q + 2 * w)
        q += ldc
        r1a.stream(q); r1b.stream(q + w); r1c.stream(q + 2 * w)
        q += ldc
        r2a.stream(q); r2b.stream(q + w); r2c.stream(q + 2 * w)
        q += ldc
        r3a.stream(q); r3b.stream(q + w); r3c.stream(q + 2 * w)
        q += ldc
        r4a.stream(q); r4b.stream(q + w); r4c.stream(q + 2 * w)
        q += ldc
        r5a.stream(q); r5b.stream(q + w); r5c.stream(q + 2 * w)
        q += ldc
        r6a.stream(q); r6b.stream(q + w); r6c.stream(q + 2 * w)
        q += ldc
        r7a.stream(q); r7b.stream(q + w); r7c.stream(q + 2 * w)
        return
    }
    r0a.store(q); r0b.store(q + w); r0c.store(q + 2 * w)
    q += ldc
    r1a.store(q); r1b.store(q + w); r1c.store(q + 2 * w)
    q += ldc
    r2a.store(q); r2b.store(q + w); r2c.store(q + 2 * w)
    q += ldc
    r3a.store(q); r3b.store(q + w); r3c.store(q + 2 * w)
    q += ldc
    r4a.store(q); r4b.store(q + w); r4c.store(q + 2 * w)
    q += ldc
    r5a.store(q); r5b.store(q + w); r5c.store(q + 2 * w)
    q += ldc
    r6a.store(q); r6b.store(q + w); r6c.store(q + 2 * w)
    q += ldc
    r7a.store(q); r7b.store(q + w); r7c.store(q + 2 * w)
}

/// Where a tile of four vectors gets them from.
protocol TileQuads {
    associatedtype V: TileVector
    /// Those `u` numbers of k further on.
    func ahead(_ u: Int) -> (V, V, V, V)
    mutating func skip(_ u: Int)
    /// What they are found by.
    var place: UnsafeRawPointer { get set }
}

/// Two packed panels side by side.
struct PanelQuads<V: TileVector>: TileQuads {
    var b: UnsafePointer<V.Scalar>
    /// From panel to panel.
    let panel: Int
    @_transparent func ahead(_ u: Int) -> (V, V, V, V) {
        let b = b + u * 2 * V.lanes
        return (.load(b), .load(b + V.lanes), .load(b + panel), .load(b + panel + V.lanes))
    }
    @_transparent mutating func skip(_ u: Int) { b += u * 2 * V.lanes }
    @_transparent var place: UnsafeRawPointer {
        get { UnsafeRawPointer(b) }
        set { b = newValue.assumingMemoryBound(to: V.Scalar.self) }
    }
}

/// Pixels of an image in place: four vectors of them, anywhere.
struct PixelQuads<V: TileVector>: TileQuads {
    let first, second, third, fourth: UnsafePointer<V.Scalar>
    var offset: UnsafePointer<Int64>
    @_transparent func ahead(_ u: Int) -> (V, V, V, V) {
        let at = Int(offset[u])
        return (.load(first + at), .load(second + at), .load(third + at), .load(fourth + at))
    }
    @_transparent mutating func skip(_ u: Int) { offset += u }
    @_transparent var place: UnsafeRawPointer {
        get { UnsafeRawPointer(offset) }
        set { offset = newValue.assumingMemoryBound(to: Int64.self) }
    }
}

/// C[6 rows, 4 vectors] over k. unrolled: a.ks is a constant.
@_transparent
func gemmSixRows<B: TileQuads>(
    k: Int, a: TileRows<B.V.Scalar>, b: B, start: TileStart<B.V.Scalar>, c: UnsafeMutablePointer<B.V.Scalar>, ldc: Int, accumulate: Bool,
    stream: Bool, unrolled: Bool, zero: B.V
) {
    typealias V = B.V
    let w = V.lanes
    var r0a = zero, r0b = zero, r0c = zero, r0d = zero
    var r1a = zero, r1b = zero, r1c = zero, r1d = zero
    var r2a = zero, r2b = zero, r2c = zero, r2d = zero
    var r3a = zero, r3b = zero, r3c = zero, r3d = zero
    var r4a = zero, r4b = zero, r4c = zero, r4d = zero
    var r5a = zero, r5b = zero, r5c = zero, r5d = zero
    switch start {
    case .zero: break
    case .rows(let p, let stride):
        var q = p
        r0a = .load(q); r0b = .load(q + w); r0c = .load(q + 2 * w); r0d = .load(q + 3 * w)
        q += stride
        r1a = .load(q); r1b = .load(q + w); r1c = .load(q + 2 * w); r1d = .load(q + 3 * w)
        q += stride
        r2a = .load(q); r2b = .load(q + w); r2c = .load(q + 2 * w); r2d = .load(q + 3 * w)
        q += stride
        r3a = .load(q); r3b = .load(q + w); r3c = .load(q + 2 * w); r3d = .load(q + 3 * w)
        q += stride
        r4a = .load(q); r4b = .load(q + w); r4c = .load(q + 2 * w); r4d = .load(q + 3 * w)
        q += stride
        r5a = .load(q); r5b = .load(q + w); r5c = .load(q + 2 * w); r5d = .load(q + 3 * w)
    case .splat(let p):
        r0a = V(p[0]); r0b = r0a; r0c = r0a; r0d = r0a
        r1a = V(p[1]); r1b = r1a; r1c = r1a; r1d = r1a
        r2a = V(p[2]); r2b = r2a; r2c = r2a; r2d = r2a
        r3a = V(p[3]); r3b = r3a; r3c = r3a; r3d = r3a
        r4a = V(p[4]); r4b = r4a; r4c = r4a; r4d = r4a
        r5a = V(p[5]); r5b = r5a; r5c = r5a; r5d = r5a
    }
    var a = a
    var b = b
    // As in gemmWideTile.
    @inline(__always) func step(_ u: Int) {
        let at = Level.hide(
            snn_three_pointers(a: a.first, b: a.second, c: b.place),
            behind: (
                r0a, r0b, r0c, r0d, r1a, r1b, r1c, r1d, r2a, r2b, r2c, r2d, r3a, r3b, r3c, r3d, r4a, r4b, r4c, r4d, r5a, r5b, r5c, r5d
            ))
        a.first = at.a.unsafelyUnwrapped.assumingMemoryBound(to: V.Scalar.self)
        a.second = at.b.unsafelyUnwrapped.assumingMemoryBound(to: V.Scalar.self)
        b.place = at.c.unsafelyUnwrapped
        let (ba, bb, bc, bd) = b.ahead(u)
        let x = a.first + u * a.ks, y = a.second + u * a.ks
        var s = V(x[0])
        r0a = .fma(s, ba, r0a); r0b = .fma(s, bb, r0b); r0c = .fma(s, bc, r0c); r0d = .fma(s, bd, r0d)
        s = V(x[a.rs])
        r1a = .fma(s, ba, r1a); r1b = .fma(s, bb, r1b); r1c = .fma(s, bc, r1c); r1d = .fma(s, bd, r1d)
        s = V(x[2 * a.rs])
        r2a = .fma(s, ba, r2a); r2b = .fma(s, bb, r2b); r2c = .fma(s, bc, r2c); r2d = .fma(s, bd, r2d)
        s = V(x[3 * a.rs])
        r3a = .fma(s, ba, r3a); r3b = .fma(s, bb, r3b); r3c = .fma(s, bc, r3c); r3d = .fma(s, bd, r3d)
        s = V(y[0])
        r4a = .fma(s, ba, r4a); r4b = .fma(s, bb, r4b); r4c = .fma(s, bc, r4c); r4d = .fma(s, bd, r4d)
        s = V(y[a.rs])
        r5a = .fma(s, ba, r5a); r5b = .fma(s, bb, r5b); r5c = .fma(s, bc, r5c); r5d = .fma(s, bd, r5d)
    }
    @inline(__always) func skip(_ u: Int) {
        a.first += u * a.ks
        a.second += u * a.ks
        b.skip(u)
    }
    if unrolled {
        for _ in 0..<(k / 4) {
            step(0)
            step(1)
            step(2)
            step(3)
            skip(4)
        }
    }
    for _ in 0..<(unrolled ? k & 3 : k) {
        step(0)
        skip(1)
    }
    var q = c
    if accumulate {
        r0a = r0a + .load(q); r0b = r0b + .load(q + w); r0c = r0c + .load(q + 2 * w); r0d = r0d + .load(q + 3 * w)
        q += ldc
        r1a = r1a + .load(q); r1b = r1b + .load(q + w); r1c = r1c + .load(q + 2 * w); r1d = r1d + .load(q + 3 * w)
        q += ldc
        r2a = r2a + .load(q); r2b = r2b + .load(q + w); r2c = r2c + .load(q + 2 * w); r2d = r2d + .load(q + 3 * w)
        q += ldc
        r3a = r3a + .load(q); r3b = r3b + .load(q + w); r3c = r3c + .load(q + 2 * w); r3d = r3d + .load(q + 3 * w)
        q += ldc
        r4a = r4a + .load(q); r4b = r4b + .load(q + w); r4c = r4c + .load(q + 2 * w); r4d = r4d + .load(q + 3 * w)
        q += ldc
        r5a = r5a + .load(q); r5b = r5b + .load(q + w); r5c = r5c + .load(q + 2 * w); r5d = r5d + .load(q + 3 * w)
        q = c
    }
    if stream {
        r0a.stream(q); r0b.stream(q + w); r0c.stream(q + 2 * w); r0d.stream(q + 3 * w)
        q += ldc
        r1a.stream(q); r1b.stream(q + w); r1c.stream(q + 2 * w); r1d.stream(q + 3 * w)
        q += ldc
        r2a.stream(q); r2b.stream(q + w); r2c.stream(q + 2 * w); r2d.stream(q + 3 * w)
        q += ldc
        r3a.stream(q); r3b.stream(q + w); r3c.stream(q + 2 * w); r3d.stream(q + 3 * w)
        q += ldc
        r4a.stream(q); r4b.stream(q + w); r4c.stream(q + 2 * w); r4d.stream(q + 3 * w)
        q += ldc
        r5a.stream(q); r5b.stream(q + w); r5c.stream(q + 2 * w); r5d.stream(q + 3 * w)
        return
    }
    r0a.store(q); r0b.store(q + w); r0c.store(q + 2 * w); r0d.store(q + 3 * w)
    q += ldc
    r1a.store(q); r1b.store(q + w); r1c.store(q + 2 * w); r1d.store(q + 3 * w)
    q += ldc
    r2a.store(q); r2b.store(q + w); r2c.store(q + 2 * w); r2d.store(q + 3 * w)
    q += ldc
    r3a.store(q); r3b.store(q + w); r3c.store(q + 2 * w); r3d.store(q + 3 * w)
    q += ldc
    r4a.store(q); r4b.store(q + w); r4c.store(q + 2 * w); r4d.store(q + 3 * w)
    q += ldc
    r5a.store(q); r5b.store(q + w); r5c.store(q + 2 * w); r5d.store(q + 3 * w)
}
