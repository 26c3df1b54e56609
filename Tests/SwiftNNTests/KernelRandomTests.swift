// Random words and dropout against Philox4x32-10 written out, a word at a time, and its authors' known answer.
import CSwiftNN
import Testing

extension AllTests {
    @Suite struct KernelRandomTests {
        @Test func wordsAreTheKnownAnswer() {
            // Counter and key zero, from the test vectors published with the algorithm.
            let known: [UInt32] = [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
            #expect(block(key: 0, counter: 0, stream: 0) == known)
            for kernels in Float.kernels { #expect(words(kernels.table, key: 0, first: 0, stream: 0, blocks: 1) == known) }
        }

        @Test(arguments: [1, 7, 8, 9, 64]) func randomWords(_ blocks: Int) {
            for (key, first, stream) in [
                (UInt64(0x1234_5678_9abc_def0), UInt64(5), UInt32(0)), (1, 0xffff_fffe, 1), (.max, .max >> 2, 0xffff_ffff),
            ] {
                let expected = (0..<blocks).flatMap { block(key: key, counter: (first + UInt64($0)) & (.max >> 2), stream: stream) }
                for kernels in Float.kernels {
                    #expect(words(kernels.table, key: key, first: first, stream: stream, blocks: blocks) == expected, "\(kernels.name)")
                }
                for kernels in Double.kernels {
                    #expect(words(kernels.table, key: key, first: first, stream: stream, blocks: blocks) == expected, "\(kernels.name)")
                }
            }
        }

        @Test(arguments: vectorSizes) func dropout(_ n: Int) {
            for index: UInt64 in [0, 1, 2, 3, 4_294_967_295 * 4 + 1, .max - 5] {
                for threshold: UInt32 in [0, 1 << 30, 0xffff_ffff] {
                    dropoutCase(n, index, threshold, Float.self)
                    dropoutCase(n, index, threshold, Double.self)
                }
            }
        }

        @Test func dropoutOfManyNumbers() {
            dropoutCase(5000, 6, 1 << 31, Float.self)
            dropoutCase(5000, 6, 1 << 31, Double.self)
        }
    }
}

private func block(key: UInt64, counter: UInt64, stream: UInt32) -> [UInt32] {
    var c = [UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32), stream, 0]
    var k0 = UInt32(truncatingIfNeeded: key), k1 = UInt32(truncatingIfNeeded: key >> 32)
    for _ in 0..<10 {
        let a = c[0].multipliedFullWidth(by: 0xD251_1F53), b = c[2].multipliedFullWidth(by: 0xCD9E_8D57)
        c = [b.high ^ c[1] ^ k0, b.low, a.high ^ c[3] ^ k1, a.low]
        k0 &+= 0x9E37_79B9
        k1 &+= 0xBB67_AE85
    }
    return c
}

private func words(_ table: snn_kernels, key: UInt64, first: UInt64, stream: UInt32, blocks: Int) -> [UInt32] {
    let memory = Fenced<UInt32>((blocks + 7) / 8 * 32, 0)
    table.random_words(key, first, stream, memory.pointer, Int64(blocks))
    if !memory.isIntact { report("random_words wrote in front of its memory") }
    return Array(memory.values.prefix(4 * blocks))
}

private func dropoutCase<T: Number>(_ n: Int, _ index: UInt64, _ threshold: UInt32, _: T.Type) {
    var draw = Draw(n)
    let source: [T] = draw.numbers(n)
    let key: UInt64 = 0xfeed_0000_0000_0007
    let factors = (0..<n).map { i -> T in
        let number = index &+ UInt64(i)
        return block(key: key, counter: number >> 2, stream: 0)[Int(number & 3)] >= threshold ? 1.25 : 0
    }
    let expected = zip(source, factors).map { $1 > 0 ? $0 * $1 : 0 }
    onEveryLevel("dropout \(n) \(index) \(threshold)") { (kernels: Kernels<T>) in
        let x = Fenced(source)
        let y = Fenced(n, T(7)), ofOnes = Fenced(n, T(7))
        for (from, to) in [(UnsafeRawPointer(x.pointer), y), (nil, ofOnes)] {
            var argument = snn_dropout(
                key: key, index: index, threshold: threshold, scale: 1.25, x: from, y: to.pointer, n: Int64(n))
            withExtendedLifetime(x) { kernels.table.dropout(&argument) }
            if !to.isIntact { report("dropout wrote in front of its memory") }
        }
        return y.values + ofOnes.values
    } _: { _, y in
        exactly(y, expected + factors)
    }
}
