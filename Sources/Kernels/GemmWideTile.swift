// The GEMM micro-kernel of levels with registers for it: eight rows against three vectors. As many accumulators as twelve rows against two,
// but eleven loads for their 24 multiply-adds instead of fourteen, which is where Intel's cores have the multiply-adds wait.
//
// Contract as gemmTile's (GemmTile.swift), for whole tiles: every element has the same chain, so the bits are the same.
import CSwiftNN

/// Where a tile of three vectors gets them from, k after k.
protocol TileTriples {
    associatedtype V: TileVector
    mutating func next() -> (V, V, V)
}

/// Three vectors of packed panels side by side, or of rows of a matrix.
struct PanelTriples<V: TileVector>: TileTriples {
    var b: UnsafePointer<V.Scalar>
    /// From the first vector to the others.
    let second, third: Int
    let stride: Int
    @_transparent mutating func next() -> (V, V, V) {
        let vectors = (V.load(b), V.load(b + second), V.load(b + third))
        b += stride
        return vectors
    }
}

/// Pixels of an image in place: three vectors of them, anywhere.
struct PixelTriples<V: TileVector>: TileTriples {
    let first, second, third: UnsafePointer<V.Scalar>
    var offset: UnsafePointer<Int64>
    @_transparent mutating func next() -> (V, V, V) {
        let at = Int(offset[0])
        offset += 1
        return (.load(first + at), .load(second + at), .load(third + at))
    }
}

/// C[8 rows, 3 vectors] over k. Each k asks for the line at `ahead`, if that is not nil, which goes on by aheadStep.
@_transparent
func gemmWideTile<B: TileTriples>(
    k: Int, a: TileRows<B.V.Scalar>, b: B, start: TileStart<B.V.Scalar>, c: UnsafeMutablePointer<B.V.Scalar>, ldc: Int,
    accumulate: Bool, far: Bool, stream: Bool, ahead: UnsafePointer<B.V.Scalar>?, aheadStep: Int, zero: B.V
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
    @inline(__always) func step() {
        let (ba, bb, bc) = b.next()
        a.hide(8)
        var s = V(a.first.pointee)
        r0a = .fma(s, ba, r0a); r0b = .fma(s, bb, r0b); r0c = .fma(s, bc, r0c)
        s = V(a.first[a.rs])
        r1a = .fma(s, ba, r1a); r1b = .fma(s, bb, r1b); r1c = .fma(s, bc, r1c)
        s = V(a.first[2 * a.rs])
        r2a = .fma(s, ba, r2a); r2b = .fma(s, bb, r2b); r2c = .fma(s, bc, r2c)
        s = V(a.first[a.rs3])
        r3a = .fma(s, ba, r3a); r3b = .fma(s, bb, r3b); r3c = .fma(s, bc, r3c)
        s = V(a.second.pointee)
        r4a = .fma(s, ba, r4a); r4b = .fma(s, bb, r4b); r4c = .fma(s, bc, r4c)
        s = V(a.second[a.rs])
        r5a = .fma(s, ba, r5a); r5b = .fma(s, bb, r5b); r5c = .fma(s, bc, r5c)
        s = V(a.second[2 * a.rs])
        r6a = .fma(s, ba, r6a); r6b = .fma(s, bb, r6b); r6c = .fma(s, bc, r6c)
        s = V(a.second[a.rs3])
        r7a = .fma(s, ba, r7a); r7b = .fma(s, bb, r7b); r7c = .fma(s, bc, r7c)
        a.next(8)
    }
    // Two k at a time the compiler interleaves, and has too few registers then.
    for _ in 0..<k {
        if ahead != nil {
            snn_prefetch(next)
            next += aheadStep
        }
        step()
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
