// Random numbers from a counter, and the dropout that they decide.
import CSwiftNN

/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, 2011): words 4 i ..< 4 i + 4 are the block of
/// counter `first` + i. Eight blocks at a time, a 32-bit word in the low half of each lane: the products then need no wider multiplication.
/// words: room for a multiple of eight blocks.
@inline(never)
func randomWords(key: UInt64, first: UInt64, stream: UInt32, _ words: UnsafeMutablePointer<UInt32>, blocks: Int) {
    var i = 0
    while i < blocks {
        let counter = snn_philox_counters(first &+ UInt64(truncatingIfNeeded: i))
        var c0 = snn_philox_low(counter), c1 = snn_philox_high(counter, SIMD8(repeating: 0), 0)
        var c2 = SIMD8(repeating: UInt64(stream)), c3 = SIMD8<UInt64>(repeating: 0)
        var k0 = UInt32(truncatingIfNeeded: key), k1 = UInt32(truncatingIfNeeded: key &>> 32)
        for _ in 0..<10 {
            let a = snn_philox_product(c0, 0xD251_1F53), b = snn_philox_product(c2, 0xCD9E_8D57)
            c0 = snn_philox_high(b, c1, k0)
            c1 = snn_philox_low(b)
            c2 = snn_philox_high(a, c3, k1)
            c3 = snn_philox_low(a)
            k0 = k0 &+ 0x9E37_79B9
            k1 = k1 &+ 0xBB67_AE85
        }
        snn_philox_store(words + (4 &* i), c0, c1, c2, c3)
        i &+= 8
    }
}

/// y[i] = word[i] >= threshold ? scale x[i] : 0 with the words of d.index + i; x may be y. Without an x it is 1.
@inline(never)
func dropout<T: Real>(_ argument: UnsafePointer<snn_dropout>, _: T.Type) {
    typealias V = T.Vector
    let d = argument.pointee
    let x = d.x?.assumingMemoryBound(to: T.self), y = d.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let scale = V(T(d.scale))
    let n = Int(d.n), length = 256
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: length) { buffer in
        let words = buffer.baseAddress.unsafelyUnwrapped
        // The words of the first block that stand before number d.index are skipped.
        var skipped = Int(truncatingIfNeeded: d.index & 3)
        var block = d.index &>> 2
        var i = 0
        while i < n {
            let count = min(n &- i, length &- skipped)
            randomWords(key: d.key, first: block, stream: 0, words, blocks: (skipped &+ count &+ 3) / 4)
            let from = words + skipped
            var j = 0
            while j &+ V.lanes <= count {
                let kept = V.atLeast(from + j, d.threshold)
                V.select(kept, x.map { V.load($0 + (i &+ j)) * scale } ?? scale, .zero).store(y + (i &+ j))
                j &+= V.lanes
            }
            while j < count {
                y[i &+ j] = from[j] >= d.threshold ? (x?[i &+ j] ?? 1) * T(d.scale) : 0
                j &+= 1
            }
            i &+= count
            skipped = 0
            block = block &+ UInt64(length / 4)
        }
    }
}
