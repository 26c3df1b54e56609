// Elementary functions, generic over the vector type.
//
// Goals, in order: NaN goes to NaN and infinities where IEEE sends them; the same bits for a lane wherever it stands in an array and on
// every level with FMA; an error of 1 to 3 ulp (Tests/accuracy.py); no table and no branch.
//
// @_transparent, because the optimiser leaves calls to specialised @inline(__always) functions of this size, and a call, which saves no
// vector register, costs more than an exp. The base level, which has no speed to lose, calls them (SMALL): a third of its code was copies.
//
//   x         exp   expm1  log   tanh  sigmoid  softplus
//   -inf      0     -1     NaN   -1    0        0
//   +inf      inf   inf    inf   1     1        inf
//   0         1     0      -inf  0     0.5      log 2
//   NaN       NaN   NaN    NaN   NaN   NaN      NaN

extension Wide {
    @_transparent static var zero: Self { Self(0) }
    @_transparent static var one: Self { Self(1) }

    /// exp(x) = 2^k (1 + expm1(r))
    #if SMALL
        @inline(never)
    #else
        @_transparent
    #endif
    static func exp(_ x: Self) -> Self {
        // Where nothing is left, as of what a mask rules out, nothing is computed: a result that underflows costs the CPU a hundred cycles.
        let gone = less(x, Self(Scalar.expUnderflow))
        return exp(min(select(gone, .zero, x), Self(Scalar.expOverflow)), gone)
    }
    /// exp(x) for x <= 0.
    #if SMALL
        @inline(never)
    #else
        @_transparent
    #endif
    static func expNegative(_ x: Self) -> Self {
        let gone = less(x, Self(Scalar.expUnderflow))
        let (k, r) = reduceExp(select(gone, .zero, x))
        return select(gone, .zero, (one + expm1Polynomial(r)).scaled(byPowerOfTwoUpTo1: k))
    }
    @_transparent private static func exp(_ x: Self, _ gone: Mask) -> Self {
        let (k, r) = reduceExp(x)
        return select(gone, .zero, (one + expm1Polynomial(r)).scaled(byPowerOfTwo: k))
    }

    /// Φ(x), the normal distribution.
    @_transparent static func normal(_ x: Self) -> Self {
        let tail = normalTail(min(x.abs(), Self(Scalar.normalLimit)))
        return select(less(x, zero), tail, one - tail)
    }

    /// x Φ(x) = x - x Φ(-x) for x >= 0. Where nothing is left of x < 0, x * 0 has its sign, and makes -inf NaN as in PyTorch.
    @_transparent static func gelu(_ x: Self) -> Self {
        let t = min(x.abs(), Self(Scalar.normalLimit))
        return fma(-t, normalTail(t), select(less(x, zero), x * zero, x))
    }

    /// k as the sum of two integers of about half its size.
    @_transparent static func halves(_ k: Self) -> (Self, Self) {
        let (half, _) = reduceExp(k * Self(Scalar(0.346_573_590_279_972_65)))
        return (half, k - half)
    }

    /// exp(x) - 1 for 0 <= x <= 2 ln(largest): 2^k expm1(r) + (2^k - 1), no cancellation.
    #if SMALL
        @inline(never)
    #else
        @_transparent
    #endif
    static func expm1Positive(_ x: Self) -> Self {
        let (k, r) = reduceExp(x)
        let scale = powerOfTwo(k)
        return fma(scale, expm1Polynomial(r), scale - one)
    }

    /// exp(x) - 1 for x <= 0.
    @_transparent static func expm1Negative(_ x: Self) -> Self { expm1Positive(max(x, Self(-40))) }

    /// log(x) for normal x > 0; zero and below as IEEE, infinity and NaN to themselves.
    /// x = 2^e m, f = m - 1, s = f / (m + 1), |s| < 0.172: log m = 2 (s + s^3/3 + ...) = f - (f^2/2 - s (f^2/2 + 2 (s^2/3 + ...))). f is
    /// exact, and what is taken from it small: below 1 ulp, where the series in s, whose first term is rounded three times, has 2.9.
    #if SMALL
        @inline(never)
    #else
        @_transparent
    #endif
    static func log(_ x: Self) -> Self {
        let tiny = less(x, Self(Scalar.smallestNormal))
        let scaled = select(tiny, x * Self(0x1p60), x)
        var (e, m) = splitLog(scaled)
        e = select(tiny, e - Self(60), e)
        let f = m - one
        let s = f / (m + one)
        let h = Self(0.5) * f * f
        let logM = f - (h - fma(s, h + logTail(s * s), e * Self(Scalar.ln2Low)))
        let value = fma(e, Self(Scalar.ln2High), logM)
        let infinite = select(less(Self(Scalar.greatestFiniteMagnitude), x), x, value)
        let positive = select(less(zero, x), infinite, select(less(x, zero), Self(.nan), Self(-.infinity)))
        return select(isNaN(x), x, positive)
    }

    /// log(1 + x) for x >= 0: log(u) + (x - (u - 1)) / u with u = 1 + x rounded.
    @_transparent static func log1pPositive(_ x: Self) -> Self {
        let u = one + x
        let value = log(u) + (x - (u - one)) / u
        return select(less(Self(Scalar.greatestFiniteMagnitude), x), x, value)
    }

    /// Below 0.625 an odd polynomial, above 1 - 2 / (exp(2|x|) + 1), whose errors shrink with what is taken from 1; 1 to the last bit beyond
    /// the limit, and x itself where x^3 is nothing beside it: what is computed for those lanes is not denormal, which would take three
    /// times as long. The polynomial's work hides behind the division.
    #if SMALL
        @inline(never)
    #else
        @_transparent
    #endif
    static func tanh(_ x: Self) -> Self {
        let size = x.abs(), small = Self(0x1p-30)
        let t = min(max(size, small), Self(Scalar.tanhLimit))
        let (k, r) = reduceExp(t + t)
        let scale = powerOfTwo(k)
        let far = one - Self(2) / (fma(scale, expm1Polynomial(r), scale) + one)
        let value = select(less(t, Self(0.625)), tanhPolynomial(t), far)
        // The sign last: LLVM 21 makes of a select after it a masked vpternlog whose table is for other operands.
        return select(less(small, size), value, size).withSign(of: x)
    }

    /// 1 + exp(x). What 1 swallows need not be exact: one factor of two instead of two, and no underflow. The factor is half of 2^k, whose
    /// k goes to 128.
    #if SMALL
        @inline(never)
    #else
        @_transparent
    #endif
    static func onePlusExp(_ x: Self) -> Self {
        let (k, r) = reduceExp(min(max(x, Self(-80)), Self(Scalar.expOverflow)))
        return fma((one + expm1Polynomial(r)) * powerOfTwo(k - one), Self(2), one)
    }

    /// 1 / (1 + exp(-x))
    @_transparent static func sigmoid(_ x: Self) -> Self { one / onePlusExp(-x) }

    /// sigmoid(a) tanh(b) with one division: m / ((1 + exp(-a)) (m + 2)), m = expm1(2|b|) with the sign of b.
    @_transparent static func sigmoidTimesTanh(_ a: Self, _ b: Self) -> Self {
        let t = min(b.abs(), Self(Scalar.tanhLimit))
        let m = expm1Positive(t + t)
        return select(isNaN(b), b, (m / (onePlusExp(-a) * (m + Self(2)))).withSign(of: b))
    }

    /// log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|))
    @_transparent static func softplus(_ x: Self) -> Self { max(x, zero) + log1pPositive(expNegative(-x.abs())) }
}
