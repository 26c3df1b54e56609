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
    case SNN_RELU: map(x, y, n) { (v: V) in V.max(v, .zero) }
    case SNN_RELU6: map(x, y, n) { (v: V) in V.min(V.max(v, .zero), V(6)) }
    case SNN_LEAKY_RELU: map(x, y, n) { (v: V) in V.select(V.less(.zero, v), v, v * a) }
    case SNN_ELU: map(x, y, n) { (v: V) in V.select(V.less(.zero, v), v, a * V.expm1Negative(v)) }
    // x Phi(x) = x/2 (1 + erf(x / sqrt 2))
    case SNN_GELU: map(x, y, n) { (v: V) in v * V(0.5) * (.one + V.erf(v * V(T(0.707_106_781_186_547_524_4)))) }
    case SNN_GELU_TANH:
        map(x, y, n) { (v: V) in
            let inner = V(T(0.797_884_560_802_865_355_9)) * (v + V(T(0.044715)) * v * v * v)
            // (1 + tanh u) / 2 = sigmoid(2 u), without the cancellation for negative u
            return v * V.sigmoid(inner + inner)
        }
    case SNN_SILU: map(x, y, n) { (v: V) in v / (.one + V.exp(-v)) }
    case SNN_MISH: map(x, y, n) { (v: V) in v * V.tanh(V.softplus(v)) }
    case SNN_SIGMOID: map(x, y, n) { (v: V) in V.sigmoid(v) }
    case SNN_TANH: map(x, y, n) { (v: V) in V.tanh(v) }
    // log(1 + exp(beta x)) / beta, linear above the threshold
    case SNN_SOFTPLUS: map(x, y, n) { (v: V) in V.select(V.less(b, v * a), v, V.softplus(v * a) / a) }
    case SNN_HARDSWISH: map(x, y, n) { (v: V) in v * V.min(V.max(v + V(3), .zero), V(6)) / V(6) }
    case SNN_EXP: map(x, y, n) { (v: V) in V.exp(v) }
    case SNN_LOG: map(x, y, n) { (v: V) in V.log(v) }
    case SNN_ERF: map(x, y, n) { (v: V) in V.erf(v) }
    case SNN_HARDTANH: map(x, y, n) { (v: V) in V.min(V.max(v, a), b) }
    case SNN_HARDSIGMOID: map(x, y, n) { (v: V) in V.min(V.max(v + V(3), .zero), V(6)) / V(6) }
    // log(sigmoid(x)) = min(x, 0) - log1p(exp(-|x|))
    case SNN_LOGSIGMOID: map(x, y, n) { (v: V) in V.min(v, .zero) - V.log1pPositive(V.exp(-v.abs())) }
    case SNN_SELU:
        map(x, y, n) { (v: V) in
            let negative = V(T(1.673_263_242_354_377_284_8)) * V.expm1Negative(v)
            return V(T(1.050_700_987_355_480_493_4)) * V.select(V.less(.zero, v), v, negative)
        }
    case SNN_SOFTSIGN: map(x, y, n) { (v: V) in v / (.one + v.abs()) }
    default: break
    }
}

/// y[i] = x[i * stride]
@inline(never)
func copy<T: Real>(_ x: UnsafePointer<T>, _ stride: Int, _ y: UnsafeMutablePointer<T>, _ n: Int) {
    if stride == 1 {
        map(x, y, n) { (v: T.Vector) in v }
    } else {
        copyRun(x, stride, y, n)
    }
}

/// y = a + b; any of them may be the same.
@inline(never)
func add<T: Real>(_ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ n: Int) {
    map2(a, b, y, n) { (u: T.Vector, v: T.Vector) in u + v }
}

/// y = x * scale + shift
@inline(never)
func scaleShift<T: Real>(_ x: UnsafePointer<T>, _ scale: T, _ shift: T, _ y: UnsafeMutablePointer<T>, _ n: Int) {
    let a = T.Vector(scale), b = T.Vector(shift)
    map(x, y, n) { (v: T.Vector) in .fma(v, a, b) }
}

/// x *= factor
@inline(never)
func scale<T: Real>(_ x: UnsafeMutablePointer<T>, _ factor: T, _ n: Int) {
    let a = T.Vector(factor)
    map(x, x, n) { (v: T.Vector) in v * a }
}

/// x[i] = -inf where mask[i * stride] is not 0
@inline(never)
func block<T: Real>(_ x: UnsafeMutablePointer<T>, _ mask: UnsafePointer<UInt8>, _ stride: Int, _ n: Int) {
    for i in 0..<n where mask[i &* stride] != 0 { x[i] = -.infinity }
}
