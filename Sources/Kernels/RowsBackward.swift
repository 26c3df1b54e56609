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
    case SNN_RELU:
        @inline(__always) func f(_ d: V, _ y: V) -> V { V.select(V.either(V.less(.zero, y), V.isNaN(y)), d, .zero) }
        map2(dy, s, dx, n, f)
    // y
    case SNN_RELU6:
        @inline(__always) func f(_ d: V, _ y: V) -> V { V.select(V.less(.zero, y), V.select(V.less(y, V(6)), d, .zero), .zero) }
        map2(dy, s, dx, n, f)
    // y or x: they have the same sign for slope >= 0
    case SNN_LEAKY_RELU:
        @inline(__always) func f(_ d: V, _ y: V) -> V { V.select(V.less(.zero, y), d, d * a) }
        map2(dy, s, dx, n, f)
    // y with alpha >= 0: alpha exp(x) = y + alpha
    case SNN_ELU:
        if alpha >= 0 {
            @inline(__always) func f(_ d: V, _ y: V) -> V { V.select(V.less(.zero, y), d, d * (y + a)) }
            map2(dy, s, dx, n, f)
        } else {
            @inline(__always) func f(_ d: V, _ x: V) -> V { V.select(V.less(.zero, x), d, d * (a * V.exp(x))) }
            map2(dy, s, dx, n, f)
        }
    // x: Phi(x) + x phi(x)
    case SNN_GELU:
        @inline(__always) func f(_ d: V, _ x: V) -> V {
            let pdf = V(T(0.398_942_280_401_432_677_9)) * V.exp(x * x * V(-0.5))
            return d * .fma(x, pdf, V.normal(x))
        }
        map2(dy, s, dx, n, f)
    // x: with p = sigmoid(2u): p + x p (1 - p) 2u'
    case SNN_GELU_TANH:
        @inline(__always) func f(_ d: V, _ x: V) -> V {
            let c = V(T(1.595_769_121_605_730_711_8)), q = x * x
            let p = V.sigmoid(c * x * .fma(V(T(0.044715)), q, .one))
            let slope = c * .fma(V(T(0.134145)), q, .one)
            return d * .fma(x * p * (.one - p), slope, p)
        }
        map2(dy, s, dx, n, f)
    // x: p (1 + x (1 - p))
    case SNN_SILU:
        @inline(__always) func f(_ d: V, _ x: V) -> V {
            let p = V.sigmoid(x)
            return d * p * .fma(x, .one - p, .one)
        }
        map2(dy, s, dx, n, f)
    // x: t + x sigmoid(x) (1 - t^2), t = tanh(softplus(x))
    case SNN_MISH:
        @inline(__always) func f(_ d: V, _ x: V) -> V {
            let t = V.tanh(V.softplus(x))
            return d * .fma(x * V.sigmoid(x), .fma(-t, t, .one), t)
        }
        map2(dy, s, dx, n, f)
    // y
    case SNN_SIGMOID:
        @inline(__always) func f(_ d: V, _ y: V) -> V { d * (.one - y) * y }
        map2(dy, s, dx, n, f)
    // y
    case SNN_TANH:
        @inline(__always) func f(_ d: V, _ y: V) -> V { d * .fma(-y, y, .one) }
        map2(dy, s, dx, n, f)
    // x
    case SNN_SOFTPLUS:
        @inline(__always) func f(_ d: V, _ x: V) -> V { V.select(V.less(b, x * a), d, d * V.sigmoid(x * a)) }
        map2(dy, s, dx, n, f)
    // x
    case SNN_HARDSWISH:
        @inline(__always) func f(_ d: V, _ x: V) -> V {
            let bent = V.select(V.less(x, V(3)), d * .fma(x, V(T(1.0 / 3)), V(0.5)), d)
            return V.select(V.isNaN(x), x, V.select(V.less(V(-3), x), bent, .zero))
        }
        map2(dy, s, dx, n, f)
    // y
    case SNN_EXP:
        @inline(__always) func f(_ d: V, _ y: V) -> V { d * y }
        map2(dy, s, dx, n, f)
    // x
    case SNN_LOG:
        @inline(__always) func f(_ d: V, _ x: V) -> V { d / x }
        map2(dy, s, dx, n, f)
    // x: 2 / sqrt(pi) exp(-x^2)
    case SNN_ERF:
        @inline(__always) func f(_ d: V, _ x: V) -> V { d * V(T(1.128_379_167_095_512_573_9)) * V.exp(-(x * x)) }
        map2(dy, s, dx, n, f)
    // y
    case SNN_HARDTANH:
        @inline(__always) func f(_ d: V, _ y: V) -> V { V.select(V.less(a, y), V.select(V.less(y, b), d, .zero), .zero) }
        map2(dy, s, dx, n, f)
    // x: y rounds to 1 before x is 3
    case SNN_HARDSIGMOID:
        @inline(__always) func f(_ d: V, _ x: V) -> V { V.select(V.less(V(-3), x), V.select(V.less(x, V(3)), d / V(6), .zero), .zero) }
        map2(dy, s, dx, n, f)
    // x: sigmoid(-x)
    case SNN_LOGSIGMOID:
        @inline(__always) func f(_ d: V, _ x: V) -> V { d * V.sigmoid(-x) }
        map2(dy, s, dx, n, f)
    // y: scale alpha exp(x) = y + scale alpha
    case SNN_SELU:
        @inline(__always) func f(_ d: V, _ y: V) -> V {
            d * V.select(V.less(.zero, y), V(T(1.050_700_987_355_480_493_4)), y + V(T(1.758_099_340_847_376_625_5)))
        }
        map2(dy, s, dx, n, f)
    // x: 1 / (1 + |x|)^2
    case SNN_SOFTSIGN:
        @inline(__always) func f(_ d: V, _ x: V) -> V {
            let t = .one + x.abs()
            return d / t / t
        }
        map2(dy, s, dx, n, f)
    // x: exp(x / alpha)
    case SNN_CELU:
        let c = V(T(1 / alpha))
        @inline(__always) func f(_ d: V, _ x: V) -> V { V.select(V.less(.zero, x), d, d * V.exp(x * c)) }
        map2(dy, s, dx, n, f)
    // x: the gradient passes where x does
    case SNN_THRESHOLD:
        @inline(__always) func f(_ d: V, _ x: V) -> V { V.select(V.either(V.less(a, x), V.isNaN(x)), d, .zero) }
        map2(dy, s, dx, n, f)
    // x
    case SNN_HARDSHRINK, SNN_SOFTSHRINK:
        @inline(__always) func f(_ d: V, _ x: V) -> V { V.select(V.less(a, x.abs()), d, .zero) }
        map2(dy, s, dx, n, f)
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
        @inline(__always) func f(_ d: V, _ v: V) -> V { .fma(-V.exp(v), total, d) }
        map2(dy, y, dx, n, f)
    } else {
        let total = V(dot(dy, y, n))
        @inline(__always) func f(_ d: V, _ v: V) -> V { v * (d - total) }
        map2(dy, y, dx, n, f)
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
        var g = d
        if let weight { g = d * V.part(weight + i, rest) }
        sum = sum + g
        dot = .fma(g, z, dot)
        if let dweight { V.fma(d, z, V.part(dweight + i, rest)).put(dweight + i, rest) }
        if let dbias { (V.part(dbias + i, rest) + d).put(dbias + i, rest) }
    }
    guard let dx = p.dx?.assumingMemoryBound(to: T.self) else { return }
    let a = V(p.center != 0 ? sum.sum() / T(n) : 0), b = V(dot.sum() / T(n))
    walk(n, V.self) { i, rest in
        // the next row's
        snn_prefetch(dy + (i &+ n))
        snn_prefetch(x + (i &+ n))
        let d = V.part(dy + i, rest)
        let z = (V.part(x + i, rest) - mean) * rstd
        var g = d
        if let weight { g = d * V.part(weight + i, rest) }
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
            @inline(__always) func f(_ d: V, _ v: V) -> V { .fma(a, d, .fma(b, v - m, c)) }
            map2(dy, x, y, n, f)
        } else {
            @inline(__always) func f(_ v: V) -> V { .fma(b, v - m, c) }
            map(x, y, n, f)
        }
        return
    }
    walk(n, V.self) { i, rest in
        var v = V.fma(V.part(pb + i, rest), V.part(x + i, rest) - V.part(pm + i, rest), V.part(pc + i, rest))
        if let dy, let pa { v = .fma(V.part(pa + i, rest), V.part(dy + i, rest), v) }
        v.put(y + i, rest)
    }
}

/// Adds the rows' sums down the columns: sums += dy and dots += dy (x - center), or without dy (x - center)^2.
@inline(never)
func columnSums<T: Real>(_ argument: UnsafePointer<snn_column_sums>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let rows = Int(p.rows), n = Int(p.n), ldx = Int(p.ldx), ldy = Int(p.ldy)
    let dy = p.dy?.assumingMemoryBound(to: T.self), sums = p.sums?.assumingMemoryBound(to: T.self)
    guard let dots = p.dots?.assumingMemoryBound(to: T.self) else {
        if let dy, let sums { addRows(dy, ldy, rows, sums, n) }
        return
    }
    let center = p.center.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let x = p.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    var i = 0
    while i < n {
        // Two vectors of columns side by side: the chains of one alone would wait for each other.
        let left = n &- i, more = left &- V.lanes
        let c = V.part(center + i, left), e = more > 0 ? V.part(center + (i &+ V.lanes), more) : c
        var a = V.zero, b = a, s = a, t = a
        for r in 0..<rows {
            let from = x + (r &* ldx &+ i)
            let z = V.part(from, left) - c
            var d = z
            if let dy { d = V.part(dy + (r &* ldy &+ i), left) }
            a = .fma(d, z, a)
            s = s + d
            if more > 0 {
                let z = V.part(from + V.lanes, more) - e
                var d = z
                if let dy { d = V.part(dy + (r &* ldy &+ i &+ V.lanes), more) }
                b = .fma(d, z, b)
                t = t + d
            }
        }
        (V.part(dots + i, left) + a).put(dots + i, left)
        if let sums { (V.part(sums + i, left) + s).put(sums + i, left) }
        if more > 0 {
            (V.part(dots + (i &+ V.lanes), more) + b).put(dots + (i &+ V.lanes), more)
            if let sums { (V.part(sums + (i &+ V.lanes), more) + t).put(sums + (i &+ V.lanes), more) }
        }
        i &+= 2 &* V.lanes
    }
}

/// sums += the rows of x, `stride` apart, four at a time.
@inline(__always)
private func addRows<T: Real>(_ x: UnsafePointer<T>, _ stride: Int, _ rows: Int, _ sums: UnsafeMutablePointer<T>, _ n: Int) {
    typealias V = T.Vector
    var r = 0
    while r &+ 4 <= rows {
        let a = x + r &* stride, b = a + stride, c = b + stride, d = c + stride
        walk(n, V.self) { i, left in
            let sum = (V.part(a + i, left) + V.part(b + i, left)) + (V.part(c + i, left) + V.part(d + i, left))
            (V.part(sums + i, left) + sum).put(sums + i, left)
        }
        r &+= 4
    }
    while r < rows {
        add(sums, x + r &* stride, sums, n)
        r &+= 1
    }
}
