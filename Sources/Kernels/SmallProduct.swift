// C = bias + A B^T for products so small that packing them costs more than the work.
import CSwiftNN

/// Every element is the chain of multiply-adds over k that a lane of the GEMM tile computes, so it has the same bits.
@inline(never)
func smallProduct<T: Real>(_ argument: UnsafePointer<snn_small_product>, _: T.Type) {
    let p = argument.pointee
    let m = Int(p.m), n = Int(p.n), depth = Int(p.k)
    let aks = Int(p.a_ks), brs = Int(p.b_rs), bks = Int(p.b_ks)
    let bias = p.col_bias?.assumingMemoryBound(to: T.self)
    let b = p.b.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    for i in 0..<m {
        let row = p.a.unsafelyUnwrapped.assumingMemoryBound(to: T.self) + i &* Int(p.a_rs)
        let c = p.c.unsafelyUnwrapped.assumingMemoryBound(to: T.self) + i &* Int(p.ldc)
        var j = 0
        // Eight chains at a time: one alone would wait for each of its additions.
        while j &+ 8 <= n {
            var r0: T = 0, r1: T = 0, r2: T = 0, r3: T = 0, r4: T = 0, r5: T = 0, r6: T = 0, r7: T = 0
            if let bias {
                r0 = bias[j]; r1 = bias[j &+ 1]; r2 = bias[j &+ 2]; r3 = bias[j &+ 3]
                r4 = bias[j &+ 4]; r5 = bias[j &+ 5]; r6 = bias[j &+ 6]; r7 = bias[j &+ 7]
            }
            var w = b + j &* brs
            var x = row
            for _ in 0..<depth {
                let s = x[0]
                r0 = chain(s, w[0], r0); r1 = chain(s, w[brs], r1)
                r2 = chain(s, w[2 &* brs], r2); r3 = chain(s, w[3 &* brs], r3)
                let v = w + 4 &* brs
                r4 = chain(s, v[0], r4); r5 = chain(s, v[brs], r5)
                r6 = chain(s, v[2 &* brs], r6); r7 = chain(s, v[3 &* brs], r7)
                w += bks
                x += aks
            }
            c[j] = r0; c[j &+ 1] = r1; c[j &+ 2] = r2; c[j &+ 3] = r3
            c[j &+ 4] = r4; c[j &+ 5] = r5; c[j &+ 6] = r6; c[j &+ 7] = r7
            j &+= 8
        }
        while j < n {
            var r: T = bias.map { $0[j] } ?? 0
            var w = b + j &* brs
            var x = row
            for _ in 0..<depth {
                r = chain(x[0], w[0], r)
                w += bks
                x += aks
            }
            c[j] = r
            j &+= 1
        }
    }
}

/// c + a b, rounded as in the tile: once where the machine can.
@inline(__always)
private func chain<T: Real>(_ a: T, _ b: T, _ c: T) -> T { Level.hasFMA ? c.addingProduct(a, b) : a * b + c }
