// Elementary functions, generic over the vector type.
//
// Goals, in order: NaN goes to NaN and infinities where IEEE sends them; the same bits for a lane wherever it stands in an array and on
// every level with FMA; an error of 1 to 3 ulp; no table and no branch.
//
//   x         exp   expm1  log   tanh  sigmoid  softplus
//   -inf      0     -1     NaN   -1    0        0
//   +inf      inf   inf    inf   1     1        inf
//   0         1     0      -inf  0     0.5      log 2
//   NaN       NaN   NaN    NaN   NaN   NaN      NaN

extension Wide {
    @inline(__always) static var zero: Self { Self(0) }
    @inline(__always) static var one: Self { Self(1) }
    /// Smaller of a and b; NaN where a is NaN.
    @inline(__always) static func min(_ a: Self, _ b: Self) -> Self { select(less(b, a), b, a) }
    @inline(__always) static func max(_ a: Self, _ b: Self) -> Self { select(less(a, b), b, a) }

    /// exp(x) = 2^k (1 + expm1(r)). 2^k is applied as two factors, so that results below the normal range round gradually.
    @inline(__always) static func exp(_ x: Self) -> Self {
        let limited = min(max(x, Self(Scalar.expUnderflow)), Self(Scalar.expOverflow))
        let (k, r) = reduceExp(limited)
        let p = expm1Polynomial(r)
        let (half, rest) = halves(k)
        return (one + p) * powerOfTwo(half) * powerOfTwo(rest)
    }

    /// k as the sum of two integers of about half its size.
    @inline(__always) static func halves(_ k: Self) -> (Self, Self) {
        let (half, _) = reduceExp(k * Self(Scalar(0.346_573_590_279_972_65)))
        return (half, k - half)
    }

    /// exp(x) - 1 for 0 <= x <= 2 ln(largest): 2^k expm1(r) + (2^k - 1), no cancellation.
    @inline(__always) static func expm1Positive(_ x: Self) -> Self {
        let (k, r) = reduceExp(x)
        let scale = powerOfTwo(k)
        return fma(scale, expm1Polynomial(r), scale - one)
    }

    /// exp(x) - 1 for x <= 0.
    @inline(__always) static func expm1Negative(_ x: Self) -> Self { expm1Positive(max(x, Self(-40))) }

    /// log(x) for normal x > 0; zero and below as IEEE, infinity and NaN to themselves.
    /// x = 2^e m, s = (m-1)/(m+1): log m = 2 (s + s^3/3 + ...), |s| < 0.172.
    @inline(__always) static func log(_ x: Self) -> Self {
        let tiny = less(x, Self(Scalar.smallestNormal))
        let scaled = select(tiny, x * Self(0x1p60), x)
        var (e, m) = splitLog(scaled)
        e = select(tiny, e - Self(60), e)
        let f = m - one
        let s = f / (m + one)
        let p = s * logPolynomial(s * s)
        let value = fma(e, Self(Scalar.ln2High), fma(e, Self(Scalar.ln2Low), p))
        let infinite = select(less(Self(Scalar.greatestFiniteMagnitude), x), x, value)
        let positive = select(less(zero, x), infinite, select(less(x, zero), Self(.nan), Self(-.infinity)))
        return select(isNaN(x), x, positive)
    }

    /// log(1 + x) for x >= 0: log(u) + (x - (u - 1)) / u with u = 1 + x rounded.
    @inline(__always) static func log1pPositive(_ x: Self) -> Self {
        let u = one + x
        let value = log(u) + (x - (u - one)) / u
        return select(less(Self(Scalar.greatestFiniteMagnitude), x), x, value)
    }

    /// tanh|x| = m / (m + 2) with m = expm1(2|x|); 1 to the last bit beyond 20.
    @inline(__always) static func tanh(_ x: Self) -> Self {
        let t = min(x.abs(), Self(20))
        let m = expm1Positive(t + t)
        return select(isNaN(x), x, (m / (m + Self(2))).withSign(of: x))
    }

    /// 1 / (1 + exp(-x))
    @inline(__always) static func sigmoid(_ x: Self) -> Self { one / (one + exp(-x)) }

    /// log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|))
    @inline(__always) static func softplus(_ x: Self) -> Self { max(x, zero) + log1pPositive(exp(-x.abs())) }
}
