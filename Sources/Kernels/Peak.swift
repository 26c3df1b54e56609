// What the machine's multiply-add units can do: chains in registers, no memory. The limit that a benchmark holds the kernels against.
import CSwiftNN

/// r = r / 2 + 1 in twelve vectors, `rounds` times; the sum of all their lanes, which nears 2 each. Twelve chains cover the latency of two
/// units, and of an addition after a multiplication where nothing is fused.
@inline(never)
func multiplyAdds<V: TileVector>(_ rounds: Int, _: V.Type) -> Double where V.Scalar: BinaryFloatingPoint {
    let half = V(0.5), one = V(1)
    var r0 = V(0), r1 = V(1), r2 = V(2), r3 = V(3), r4 = V(4), r5 = V(5), r6 = V(6)
    var r7 = V(7), r8 = V(8), r9 = V(9), r10 = V(10), r11 = V(11)
    for _ in 0..<rounds {
        r0 = .fma(r0, half, one)
        r1 = .fma(r1, half, one)
        r2 = .fma(r2, half, one)
        r3 = .fma(r3, half, one)
        r4 = .fma(r4, half, one)
        r5 = .fma(r5, half, one)
        r6 = .fma(r6, half, one)
        r7 = .fma(r7, half, one)
        r8 = .fma(r8, half, one)
        r9 = .fma(r9, half, one)
        r10 = .fma(r10, half, one)
        r11 = .fma(r11, half, one)
    }
    return lanes(r0) + lanes(r1) + lanes(r2) + lanes(r3) + lanes(r4) + lanes(r5)
        + lanes(r6) + lanes(r7) + lanes(r8) + lanes(r9) + lanes(r10) + lanes(r11)
}

@inline(__always)
private func lanes<V: TileVector>(_ vector: V) -> Double where V.Scalar: BinaryFloatingPoint {
    withUnsafeTemporaryAllocation(of: V.Scalar.self, capacity: V.lanes) { row in
        let p = row.baseAddress.unsafelyUnwrapped
        vector.store(p)
        var total = 0.0
        for i in 0..<V.lanes { total += Double(p[i]) }
        return total
    }
}
