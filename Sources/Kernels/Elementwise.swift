// Element by element: activations, sums, scaling, copies. Rows are contiguous (copy gathers strided ones).
import CSwiftNN

/// y = f(x) for a kind of swiftnn.h; x may be y. The switch stands outside of the loops. Compiled once for each type: twenty kinds are
/// too much code to repeat in the GEMM's epilogue.
@inline(never)
func unary<T: Real>(
    _ kind: Int, _ alpha: Double, _ beta: Double, _ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ n: Int, _: T.Type
) {
    typealias V = T.Vector
    let a = V(T(alpha))
    let b = V(T(beta))
    switch kind {
    // max(NaN, 0) has to be NaN: V.max keeps its first argument there.
    case SNN_RELU:
        @inline(__always) func f(_ v: V) -> V { V.max(v, .zero) }
        map(x, y, n, f)
    case SNN_RELU6:
        @inline(__always) func f(_ v: V) -> V { V.min(V.max(v, .zero), V(6)) }
        map(x, y, n, f)
    case SNN_LEAKY_RELU:
        @inline(__always) func f(_ v: V) -> V { V.select(V.less(.zero, v), v, v * a) }
        map(x, y, n, f)
    // Chosen by v < 0, so that -0 and NaN go through.
    case SNN_ELU:
        @inline(__always) func f(_ v: V) -> V { V.select(V.less(v, .zero), a * V.expm1Negative(v), v) }
        map(x, y, n, f)
    case SNN_GELU:
        @inline(__always) func f(_ v: V) -> V { V.gelu(v) }
        map(x, y, n, f)
    case SNN_GELU_TANH:
        @inline(__always) func f(_ v: V) -> V {
            let inner = V(T(0.797_884_560_802_865_355_9)) * (v + V(T(0.044715)) * v * v * v)
            // (1 + tanh u) / 2 = sigmoid(2 u), without the cancellation for negative u
            return v * V.sigmoid(inner + inner)
        }
        map(x, y, n, f)
    case SNN_SILU:
        @inline(__always) func f(_ v: V) -> V { v / V.onePlusExp(-v) }
        map(x, y, n, f)
    case SNN_MISH:
        @inline(__always) func f(_ v: V) -> V { v * V.tanh(V.softplus(v)) }
        map(x, y, n, f)
    case SNN_SIGMOID:
        @inline(__always) func f(_ v: V) -> V { V.sigmoid(v) }
        map(x, y, n, f)
    case SNN_TANH:
        @inline(__always) func f(_ v: V) -> V { V.tanh(v) }
        map(x, y, n, f)
    // log(1 + exp(beta x)) / beta, linear above the threshold
    case SNN_SOFTPLUS:
        @inline(__always) func f(_ v: V) -> V { V.select(V.less(b, v * a), v, V.softplus(v * a) / a) }
        map(x, y, n, f)
    case SNN_HARDSWISH:
        @inline(__always) func f(_ v: V) -> V { v * V.min(V.max(v + V(3), .zero), V(6)) / V(6) }
        map(x, y, n, f)
    case SNN_EXP:
        @inline(__always) func f(_ v: V) -> V { V.exp(v) }
        map(x, y, n, f)
    case SNN_LOG:
        @inline(__always) func f(_ v: V) -> V { V.log(v) }
        map(x, y, n, f)
    case SNN_ERF:
        @inline(__always) func f(_ v: V) -> V { V.erf(v) }
        map(x, y, n, f)
    case SNN_HARDTANH:
        @inline(__always) func f(_ v: V) -> V { V.min(V.max(v, a), b) }
        map(x, y, n, f)
    case SNN_HARDSIGMOID:
        @inline(__always) func f(_ v: V) -> V { V.min(V.max(v + V(3), .zero), V(6)) / V(6) }
        map(x, y, n, f)
    // log(sigmoid(x)) = min(x, 0) - log1p(exp(-|x|))
    case SNN_LOGSIGMOID:
        @inline(__always) func f(_ v: V) -> V { V.min(v, .zero) - V.log1pPositive(V.expNegative(-v.abs())) }
        map(x, y, n, f)
    case SNN_SELU:
        @inline(__always) func f(_ v: V) -> V {
            let negative = V(T(1.673_263_242_354_377_284_8)) * V.expm1Negative(v)
            return V(T(1.050_700_987_355_480_493_4)) * V.select(V.less(v, .zero), negative, v)
        }
        map(x, y, n, f)
    case SNN_SOFTSIGN:
        @inline(__always) func f(_ v: V) -> V { v / (.one + v.abs()) }
        map(x, y, n, f)
    // expm1(u) = m (m + 2) with m = expm1(u / 2), which does not overflow before it: u is above 0 where alpha is below.
    case SNN_CELU:
        let c = V(T(0.5 / alpha)), most = V(T.expOverflow * 0.75)
        @inline(__always) func f(_ v: V) -> V {
            let m = V.expm1Positive(V.min(V.max(v * c, V(-40)), most))
            return V.select(V.less(v, .zero), a * (m * (m + V(2))), v)
        }
        map(x, y, n, f)
    // NaN goes through this and the next two.
    case SNN_THRESHOLD:
        @inline(__always) func f(_ v: V) -> V { V.select(V.either(V.less(a, v), V.isNaN(v)), v, b) }
        map(x, y, n, f)
    case SNN_HARDSHRINK:
        @inline(__always) func f(_ v: V) -> V { V.select(V.either(V.less(a, v.abs()), V.isNaN(v)), v, .zero) }
        map(x, y, n, f)
    case SNN_SOFTSHRINK:
        @inline(__always) func f(_ v: V) -> V { (v - V.min(V.max(v, -a), a)).withSign(of: v) }
        map(x, y, n, f)
    default: break
    }
}

/// y[i] = x[i * stride]
@inline(never)
func copy<T: Real>(_ x: UnsafePointer<T>, _ stride: Int, _ y: UnsafeMutablePointer<T>, _ n: Int) {
    if stride == 1 {
        @inline(__always) func f(_ v: T.Vector) -> T.Vector { v }
        map(x, y, n, f)
    } else if stride == 0 {
        let v = T.Vector(x[0])
        walk(n, T.Vector.self) { (i, left) in v.put(y + i, left) }
    } else {
        copyRun(x, stride, y, n)
    }
}

/// y = x past the caches; y is aligned to 64 bytes. The caller ends the stream.
@inline(never)
func streamCopy<T: Real>(_ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ n: Int) {
    var i = 0
    while i &+ T.Tile.lanes <= n {
        T.Tile.load(x + i).stream(y + i)
        i &+= T.Tile.lanes
    }
    while i < n {
        y[i] = x[i]
        i &+= 1
    }
}

/// y = a + b; any of them may be the same.
@inline(never)
func add<T: Real>(_ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ n: Int) {
    @inline(__always) func f(_ u: T.Vector, _ v: T.Vector) -> T.Vector { u + v }
    map2(a, b, y, n, f)
}

/// y = a + b, a - b, a b or a / b by kind; a step of 0: the one number there for all, of at most one of them. y may be a or b.
@inline(never)
func combine<T: Real>(
    _ kind: Int, _ a: UnsafePointer<T>, _ aStep: Int, _ b: UnsafePointer<T>, _ bStep: Int, _ y: UnsafeMutablePointer<T>, _ n: Int
) {
    typealias V = T.Vector
    @inline(__always) func each(_ f: (V, V) -> V) {
        if aStep == 0 {
            let u = V(a[0])
            @inline(__always) func g(_ v: V) -> V { f(u, v) }
            map(b, y, n, g)
        } else if bStep == 0 {
            let v = V(b[0])
            @inline(__always) func g(_ u: V) -> V { f(u, v) }
            map(a, y, n, g)
        } else {
            map2(a, b, y, n, f)
        }
    }
    switch kind {
    case Int(SNN_ADD): each { $0 + $1 }
    case Int(SNN_SUBTRACT): each { $0 - $1 }
    case Int(SNN_MULTIPLY): each { $0 * $1 }
    default: each { $0 / $1 }
    }
}

/// y = x for rows xs and ys apart.
@inline(never)
func copyRows<T: Real>(_ x: UnsafePointer<T>, _ xs: Int, _ y: UnsafeMutablePointer<T>, _ ys: Int, _ rows: Int, _ n: Int) {
    for i in 0..<rows { map(x + i &* xs, y + i &* ys, n) { (v: T.Vector) in v } }
}

/// y += x for rows xs and ys apart.
@inline(never)
func addRows<T: Real>(_ x: UnsafePointer<T>, _ xs: Int, _ y: UnsafeMutablePointer<T>, _ ys: Int, _ rows: Int, _ n: Int) {
    for i in 0..<rows { map2(x + i &* xs, y + i &* ys, y + i &* ys, n) { (u: T.Vector, v: T.Vector) in v + u } }
}

/// y = x * scale + shift
@inline(never)
func scaleShift<T: Real>(_ x: UnsafePointer<T>, _ scale: T, _ shift: T, _ y: UnsafeMutablePointer<T>, _ n: Int) {
    let a = T.Vector(scale), b = T.Vector(shift)
    @inline(__always) func f(_ v: T.Vector) -> T.Vector { .fma(v, a, b) }
    map(x, y, n, f)
}

/// x *= factor
@inline(never)
func scale<T: Real>(_ x: UnsafeMutablePointer<T>, _ factor: T, _ n: Int) {
    let a = T.Vector(factor)
    @inline(__always) func f(_ v: T.Vector) -> T.Vector { v * a }
    map(x, x, n, f)
}

/// x[i] = -inf where mask[i * stride] is not 0
@inline(never)
func block<T: Real>(_ x: UnsafeMutablePointer<T>, _ mask: UnsafePointer<UInt8>, _ stride: Int, _ n: Int) {
    for i in 0..<n where mask[i &* stride] != 0 { x[i] = -.infinity }
}
