import CSwiftNN

/// Numbers from Philox4x32-10 (see randomWords of the kernels): number i is a function of the seed and of offset + i alone, the same on
/// every machine, for any number of threads and any split into calls.
struct CounterRandom {
    let key: UInt64
    let offset: UInt64
    /// Words made at a time.
    private static var length: Int { 128 }

    init(seed: Int64, offset: Int64) {
        key = UInt64(bitPattern: seed)
        self.offset = UInt64(bitPattern: offset)
    }

    /// body(i, word) for the numbers at + i, i in 0 ..< n, of stream 0.
    @inline(__always)
    func forEachWord(_ at: Int, _ n: Int, _ body: (Int, UInt32) -> Void) {
        forEachPiece(at, n, streams: 1) { first, words, count in
            for i in 0..<count { body(first &+ i, words[i]) }
        }
    }
    /// body(i, u, v) with the words of stream 0 and 1.
    @inline(__always)
    func forEachPair(_ at: Int, _ n: Int, _ body: (Int, UInt32, UInt32) -> Void) {
        forEachPiece(at, n, streams: 2) { first, words, count in
            for i in 0..<count { body(first &+ i, words[i], words[i &+ Self.length]) }
        }
    }

    /// body(i, words, count): those of the numbers at + i, ..., a stream's `length` behind the other's.
    @inline(__always)
    private func forEachPiece(_ at: Int, _ n: Int, streams: Int, _ body: (Int, UnsafePointer<UInt32>, Int) -> Void) {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 2 * Self.length) { buffer in
            let words = buffer.baseAddress.unsafelyUnwrapped
            var i = 0
            while i < n {
                let index = offset &+ UInt64(at &+ i)
                // The block's words before this number are skipped.
                let skipped = Int(index & 3)
                let count = min(n &- i, Self.length &- skipped)
                for stream in 0..<streams {
                    Float.kernels.pointee.random_words(
                        key, index &>> 2, UInt32(truncatingIfNeeded: stream), words + (stream &* Self.length),
                        Int64((skipped &+ count &+ 3) / 4))
                }
                body(i, words + skipped, count)
                i &+= count
            }
        }
    }
}

/// y[i] from (seed, offset + i): uniform in [a, b), normal (mean a, deviation b), bernoulli (1 with probability a), integers in [a, b).
/// Threads: pieces of y.
@_cdecl("snn_random_forward") @implementation
public func snn_random_forward(_ args: UnsafePointer<snn_random_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        let a = args.pointee
        guard a.shape_count >= 0 && a.shape_count <= Int64(SNN_MAX_DIMS) else {
            throw Message("random: shape has ").number(Int(a.shape_count)).text(" dimensions; at most 8 are possible").valueError
        }
        var shape = Shape()
        for i in 0..<Int(a.shape_count) {
            guard a.shape[i] >= 0 else { throw Message("random: shape has the negative size ").number(Int(a.shape[i])).valueError }
            shape.append(Int(a.shape[i]))
        }
        let dtype = Int32(truncatingIfNeeded: a.dtype)
        let integers = a.kind == Int64(SNN_INTEGERS)
        guard a.kind >= 0 && a.kind <= Int64(SNN_INTEGERS),
            integers ? dtype == Int32(SNN_INT64) : dtype == Int32(SNN_FLOAT32) || dtype == Int32(SNN_FLOAT64)
        else {
            throw Message("random: no numbers of this kind as ").dtype(dtype).valueError
        }
        guard a.kind != Int64(SNN_BERNOULLI) || (a.a >= 0 && a.a <= 1) else {
            throw Message("random: the probability is ").number(a.a).text("; it has to be between 0 and 1").valueError
        }
        guard !integers || (a.a < a.b && a.a >= -0x1p53 && a.b <= 0x1p53) else {
            throw Message("random: integers need low < high, both below 2^53").valueError
        }
        guard try output(a.y, dtype, shape) else { return }
        let n = shape.size
        let random = CounterRandom(seed: a.seed, offset: a.offset)
        let piece = 16_384
        ThreadPool.run(ceilDivide(n, piece), threads: ThreadPool.threads(forWork: n * 8)) { task, _ in
            let at = task * piece
            let count = min(piece, n - at)
            if integers {
                let y = a.y.pointee.data(Int64.self) + at
                let low = Int64(a.a)
                let range = UInt64(Int64(a.b) - low)
                random.forEachPair(at, count) { i, u, v in
                    y[i] = low + Int64((UInt64(u) << 32 | UInt64(v)).multipliedFullWidth(by: range).high)
                }
            } else if dtype == Int32(SNN_FLOAT32) {
                fill(a.y.pointee.data(Float.self) + at, random, at, count, a.kind, a.a, a.b)
            } else {
                fill(a.y.pointee.data(Double.self) + at, random, at, count, a.kind, a.a, a.b)
            }
        }
    }
}

private func fill<T: Element>(
    _ y: UnsafeMutablePointer<T>, _ random: CounterRandom, _ at: Int, _ n: Int, _ kind: Int64, _ a: Double, _ b: Double
) {
    if kind == Int64(SNN_NORMAL) {
        // Box and Muller, one number each so that i alone decides it.
        random.forEachPair(at, n) { i, u, v in
            let radius = (-2 * PortableMath.log((Double(u) + 1) * 0x1p-32)).squareRoot()
            y[i] = T(a + b * (radius * PortableMath.cosTurns(Double(v) * 0x1p-32)))
        }
    } else if kind == Int64(SNN_BERNOULLI) {
        random.forEachWord(at, n) { i, u in y[i] = Double(u) * 0x1p-32 < a ? 1 : 0 }
    } else if T.dtype == Int32(SNN_FLOAT32) {
        random.forEachWord(at, n) { i, u in y[i] = uniform(Double(u >> 8) * 0x1p-24, a, b) }
    } else {
        random.forEachPair(at, n) { i, u, v in y[i] = uniform(Double((UInt64(u) << 32 | UInt64(v)) >> 11) * 0x1p-53, a, b) }
    }
}

/// a + (b - a) r, below b even where rounding would reach it.
@inline(__always)
private func uniform<T: Element>(_ r: Double, _ a: Double, _ b: Double) -> T {
    let y = T(a + (b - a) * r)
    return y >= T(b) && a < b ? T(b).nextDown : y
}

/// Logarithm and cosine from +, *, / alone, so that random numbers have the same bits on machines with and without fused multiply-add and
/// with any C library (the frame is compiled without FMA, and Swift does not contract).
enum PortableMath {
    /// log(x) for normal x > 0, about 1 ulp: x = 2^e m, s = (m - 1) / (m + 1), log m = 2 (s + s^3/3 + ...).
    static func log(_ x: Double) -> Double {
        var e = Double(x.exponent)
        var m = x.significand
        if m > 1.414_213_562_373_095_1 {
            m *= 0.5
            e += 1
        }
        let s = (m - 1) / (m + 1)
        let z = s * s
        var p = 2.0 / 23
        p = p * z + 2.0 / 21
        p = p * z + 2.0 / 19
        p = p * z + 2.0 / 17
        p = p * z + 2.0 / 15
        p = p * z + 2.0 / 13
        p = p * z + 2.0 / 11
        p = p * z + 2.0 / 9
        p = p * z + 2.0 / 7
        p = p * z + 2.0 / 5
        p = p * z + 2.0 / 3
        p = p * z + 2
        return e * 0.693_147_180_369_123_8 + (s * p + e * 1.908_214_929_270_587_7e-10)
    }

    /// cos(2 pi t) for 0 <= t < 1, reduced to an eighth of a turn.
    static func cosTurns(_ t: Double) -> Double {
        let quarter = (t * 4 + 0.5).rounded(.down)
        let x = (t - quarter * 0.25) * 6.283_185_307_179_586
        switch Int(quarter) & 3 {
        case 0: return cosPolynomial(x)
        case 1: return -sinPolynomial(x)
        case 2: return -cosPolynomial(x)
        default: return sinPolynomial(x)
        }
    }
    /// Taylor to x^16 / 16!, |x| <= pi / 4.
    private static func cosPolynomial(_ x: Double) -> Double {
        let z = x * x
        var p = 1.0 / 20_922_789_888_000
        p = p * z - 1.0 / 87_178_291_200
        p = p * z + 1.0 / 479_001_600
        p = p * z - 1.0 / 3_628_800
        p = p * z + 1.0 / 40_320
        p = p * z - 1.0 / 720
        p = p * z + 1.0 / 24
        p = p * z - 0.5
        return p * z + 1
    }
    /// Taylor to x^17 / 17!, |x| <= pi / 4.
    private static func sinPolynomial(_ x: Double) -> Double {
        let z = x * x
        var p = 1.0 / 355_687_428_096_000
        p = p * z - 1.0 / 1_307_674_368_000
        p = p * z + 1.0 / 6_227_020_800
        p = p * z - 1.0 / 39_916_800
        p = p * z + 1.0 / 362_880
        p = p * z - 1.0 / 5_040
        p = p * z + 1.0 / 120
        p = p * z - 1.0 / 6
        return x + x * (z * p)
    }
}
