// Derivatives of the row kernels, and the sums over rows that gradients of weights are. In and out: contiguous rows.
import CSwiftNN

/// dx = dy f'(.) for a kind of swiftnn.h, written in terms of s: f's result y where the kind's comment says so, else its input x.
@inline(never)
func unaryBackward<T: Real>(
    _ kind: Int, _ alpha: Double, _ beta: Double, _ dy: UnsafePointer<T>, _ s: UnsafePointer<T>, _ dx: UnsafeMutablePointer<T>, _ n: Int,
    _: T.Type
) {
    typealias V = T.Vector
    let a = V(T(alpha))
    let b = V(T(beta))
    switch kind {
    // y: the gradient passes where y > 0, or NaN
    case SNN_RELU: map2(dy, s, dx, n) { (d: V, y) in V.select(V.either(V.less(.zero, y), V.isNaN(y)), d, .zero) }
    // y
    case SNN_RELU6: map2(dy, s, dx, n) { (d: V, y) in V.select(V.less(.zero, y), V.select(V.less(y, V(6)), d, .zero), .zero) }
    // y or x: they have the same sign for slope >= 0
    case SNN_LEAKY_RELU: map2(dy, s, dx, n) { (d: V, y) in V.select(V.less(.zero, y), d, d * a) }
    // y with alpha >= 0: alpha exp(x) = y + alpha
    case SNN_ELU:
        if alpha >= 0 {
            map2(dy, s, dx, n) { (d: V, y) in V.select(V.less(.zero, y), d, d * (y + a)) }
        } else {
            map2(dy, s, dx, n) { (d: V, x) in V.select(V.less(.zero, x), d, d * (a * V.exp(x))) }
        }
    // x: Phi(x) + x phi(x)
    case SNN_GELU:
        map2(dy, s, dx, n) { (d: V, x) in
            let cdf = V(0.5) * (.one + V.erf(x * V(T(0.707_106_781_186_547_524_4))))
            let pdf = V(T(0.398_942_280_401_432_677_9)) * V.exp(x * x * V(-0.5))
            return d * .fma(x, pdf, cdf)
        }
    // x: with p = sigmoid(2u): p + x p (1 - p) 2u'
    case SNN_GELU_TANH:
        map2(dy, s, dx, n) { (d: V, x) in
            let c = V(T(1.595_769_121_605_730_711_8)), q = x * x
            let p = V.sigmoid(c * x * .fma(V(T(0.044715)), q, .one))
            let slope = c * .fma(V(T(0.134145)), q, .one)
            return d * .fma(x * p * (.one - p), slope, p)
        }
    // x: p (1 + x (1 - p))
    case SNN_SILU:
        map2(dy, s, dx, n) { (d: V, x) in
            let p = V.sigmoid(x)
            return d * p * .fma(x, .one - p, .one)
        }
    // x: t + x sigmoid(x) (1 - t^2), t = tanh(softplus(x))
    case SNN_MISH:
        map2(dy, s, dx, n) { (d: V, x) in
            let t = V.tanh(V.softplus(x))
            return d * .fma(x * V.sigmoid(x), .fma(-t, t, .one), t)
        }
    // y
    case SNN_SIGMOID: map2(dy, s, dx, n) { (d: V, y) in d * (.one - y) * y }
    // y
    case SNN_TANH: map2(dy, s, dx, n) { (d: V, y) in d * .fma(-y, y, .one) }
    // x
    case SNN_SOFTPLUS: map2(dy, s, dx, n) { (d: V, x) in V.select(V.less(b, x * a), d, d * V.sigmoid(x * a)) }
    // x
    case SNN_HARDSWISH:
        map2(dy, s, dx, n) { (d: V, x) in
            let bent = V.select(V.less(x, V(3)), d * .fma(x, V(T(1.0 / 3)), V(0.5)), d)
            return V.select(V.isNaN(x), x, V.select(V.less(V(-3), x), bent, .zero))
        }
    // y
    case SNN_EXP: map2(dy, s, dx, n) { (d: V, y) in d * y }
    // x
    case SNN_LOG: map2(dy, s, dx, n) { (d: V, x) in d / x }
    // x: 2 / sqrt(pi) exp(-x^2)
    case SNN_ERF: map2(dy, s, dx, n) { (d: V, x) in d * V(T(1.128_379_167_095_512_573_9)) * V.exp(-(x * x)) }
    // y
    case SNN_HARDTANH: map2(dy, s, dx, n) { (d: V, y) in V.select(V.less(a, y), V.select(V.less(y, b), d, .zero), .zero) }
    // x: y rounds to 1 before x is 3
    case SNN_HARDSIGMOID:
        map2(dy, s, dx, n) { (d: V, x) in V.select(V.less(V(-3), x), V.select(V.less(x, V(3)), d / V(6), .zero), .zero) }
    // x: sigmoid(-x)
    case SNN_LOGSIGMOID: map2(dy, s, dx, n) { (d: V, x) in d * V.sigmoid(-x) }
    // y: scale alpha exp(x) = y + scale alpha
    case SNN_SELU:
        map2(dy, s, dx, n) { (d: V, y) in
            d * V.select(V.less(.zero, y), V(T(1.050_700_987_355_480_493_4)), y + V(T(1.758_099_340_847_376_625_5)))
        }
    // x: 1 / (1 + |x|)^2
    case SNN_SOFTSIGN:
        map2(dy, s, dx, n) { (d: V, x) in
            let t = .one + x.abs()
            return d / t / t
        }
    default: break
    }
}

/// The sum of dy x where x is not above 0: the derivative by a slope.
@inline(never)
func negativeDot<T: Real>(_ dy: UnsafePointer<T>, _ x: UnsafePointer<T>, _ n: Int) -> T {
    typealias V = T.Vector
    var sum = V.zero
    walk(n, V.self) { i, rest in
        let v = V.part(x + i, rest)
        sum = sum + V.select(V.less(.zero, v), .zero, V.part(dy + i, rest) * v)
    }
    return sum.sum()
}

/// dx = y (dy - sum(dy y)), or with `log` dx = dy - exp(y) sum(dy).
@inline(never)
func softmaxBackward<T: Real>(_ dy: UnsafePointer<T>, _ y: UnsafePointer<T>, _ dx: UnsafeMutablePointer<T>, _ n: Int, log: Bool) {
    typealias V = T.Vector
    if log {
        let total = V(sum(dy, n))
        map2(dy, y, dx, n) { (d: V, v) in .fma(-V.exp(v), total, d) }
    } else {
        let total = V(dot(dy, y, n))
        map2(dy, y, dx, n) { (d: V, v) in v * (d - total) }
    }
}

/// One row of a normalisation over it: with z = (x - mean) rstd and g = dy weight: dx = rstd (g - mean(g) - z mean(g z)), without mean(g)
/// where the row was not centred. dweight += dy z, dbias += dy.
@inline(never)
func normalizeBackward<T: Real>(_ argument: UnsafePointer<snn_normalize_backward>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let dy = p.dy.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let x = p.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let weight = p.weight?.assumingMemoryBound(to: T.self)
    let dweight = p.dweight?.assumingMemoryBound(to: T.self)
    let dbias = p.dbias?.assumingMemoryBound(to: T.self)
    let n = Int(p.n)
    let mean = V(T(p.mean)), rstd = V(T(p.rstd))
    var sum = V.zero, dot = V.zero
    walk(n, V.self) { i, rest in
        let d = V.part(dy + i, rest)
        let z = (V.part(x + i, rest) - mean) * rstd
        let g = weight.map { d * V.part($0 + i, rest) } ?? d
        sum = sum + g
        dot = .fma(g, z, dot)
        if let dweight { V.fma(d, z, V.part(dweight + i, rest)).put(dweight + i, rest) }
        if let dbias { (V.part(dbias + i, rest) + d).put(dbias + i, rest) }
    }
    guard let dx = p.dx?.assumingMemoryBound(to: T.self) else { return }
    let a = V(p.center != 0 ? sum.sum() / T(n) : 0), b = V(dot.sum() / T(n))
    walk(n, V.self) { i, rest in
        let d = V.part(dy + i, rest)
        let z = (V.part(x + i, rest) - mean) * rstd
        let g = weight.map { d * V.part($0 + i, rest) } ?? d
        (rstd * .fma(-z, b, g - a)).put(dx + i, rest)
    }
}

/// sum(dy) and sum(dy (x - center))
@inline(never)
func centeredSums<T: Real>(_ dy: UnsafePointer<T>, _ x: UnsafePointer<T>, _ center: T, _ n: Int) -> (sum: T, dot: T) {
    typealias V = T.Vector
    let c = V(center)
    var a = V.zero, b = V.zero, p = V.zero, q = V.zero
    var i = 0
    while i &+ 2 &* V.lanes <= n {
        let d = V.load(dy + i), e = V.load(dy + i + V.lanes)
        a = a + d
        b = b + e
        p = .fma(d, .load(x + i) - c, p)
        q = .fma(e, .load(x + i + V.lanes) - c, q)
        i &+= 2 &* V.lanes
    }
    while i < n {
        let d = V.part(dy + i, n &- i)
        a = a + d
        p = .fma(d, V.part(x + i, n &- i) - c, p)
        i &+= V.lanes
    }
    return ((a + b).sum(), (p + q).sum())
}

/// y = b (x - center) + c + a dy, without a dy where dy is NULL. Coefficients are one number each, or one for each element.
@inline(never)
func affine<T: Real>(_ argument: UnsafePointer<snn_affine>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let x = p.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let y = p.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let dy = p.dy?.assumingMemoryBound(to: T.self)
    let pa = p.a?.assumingMemoryBound(to: T.self)
    let pb = p.b.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let pc = p.c.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let pm = p.center.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let n = Int(p.n)
    if p.each == 0 {
        let b = V(pb[0]), c = V(pc[0]), m = V(pm[0])
        if let dy, let pa {
            let a = V(pa[0])
            map2(dy, x, y, n) { (d: V, v) in .fma(a, d, .fma(b, v - m, c)) }
        } else {
            map(x, y, n) { (v: V) in .fma(b, v - m, c) }
        }
        return
    }
    walk(n, V.self) { i, rest in
        var v = V.fma(V.part(pb + i, rest), V.part(x + i, rest) - V.part(pm + i, rest), V.part(pc + i, rest))
        if let dy, let pa { v = .fma(V.part(pa + i, rest), V.part(dy + i, rest), v) }
        v.put(y + i, rest)
    }
}

/// Adds the rows' sums down the columns: sums += dy, four rows at a time; dots += dy (x - center), or without dy (x - center)^2.
@inline(never)
func columnSums<T: Real>(_ argument: UnsafePointer<snn_column_sums>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let rows = Int(p.rows), n = Int(p.n)
    if let dots = p.dots?.assumingMemoryBound(to: T.self) {
        let center = p.center.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        let x = p.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        let dy = p.dy?.assumingMemoryBound(to: T.self)
        walk(n, V.self) { i, rest in
            let c = V.part(center + i, rest)
            var total = V.zero
            for r in 0..<rows {
                let z = V.part(x + (r &* Int(p.ldx) &+ i), rest) - c
                total = .fma(dy.map { V.part($0 + (r &* Int(p.ldy) &+ i), rest) } ?? z, z, total)
            }
            (V.part(dots + i, rest) + total).put(dots + i, rest)
        }
    }
    guard let sums = p.sums?.assumingMemoryBound(to: T.self), let dy = p.dy?.assumingMemoryBound(to: T.self) else { return }
    let ld = Int(p.ldy)
    var r = 0
    while r &+ 4 <= rows {
        let row = dy + r &* ld
        walk(n, V.self) { i, rest in
            let two = V.part(row + i, rest) + V.part(row + (ld &+ i), rest)
            let more = V.part(row + (2 &* ld &+ i), rest) + V.part(row + (3 &* ld &+ i), rest)
            (V.part(sums + i, rest) + (two + more)).put(sums + i, rest)
        }
        r &+= 4
    }
    while r < rows {
        add(sums, dy + r &* ld, sums, n)
        r &+= 1
    }
}
