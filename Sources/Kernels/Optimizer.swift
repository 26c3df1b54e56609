// Optimizer steps on contiguous runs of parameters, in place, and what norms of gradients need.
import CSwiftNN

/// One step for n numbers. The contract is snn_optimizer_step's; the order of operations is PyTorch's.
@inline(never)
func optimizerStep<T: Real>(_ argument: UnsafePointer<snn_optimizer_step>, _: T.Type) {
    typealias V = T.Vector
    let o = argument.pointee
    let param = o.param.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let grad = o.grad.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    // An optimizer without a state has some other memory there and neither reads nor writes it.
    let first = o.states.0?.assumingMemoryBound(to: T.self) ?? param
    let second = o.states.1?.assumingMemoryBound(to: T.self) ?? param
    let third = o.states.2?.assumingMemoryBound(to: T.self) ?? param
    let n = Int(o.n)
    let lr = V(T(o.lr)), decay = V(T(o.decay)), a = V(T(o.a)), a1 = V(T(1 - o.a)), b = V(T(o.b)), b1 = V(T(1 - o.b))
    let eps = V(T(o.eps)), correction = V(T(o.correction)), shrink = V(T(o.shrink))
    let kind = Int(o.kind), flags = Int(o.flags)
    @inline(__always) func has(_ flag: Int) -> Bool { flags & flag != 0 }
    var i = 0
    while i < n {
        let rest = n &- i
        @inline(__always) func load(_ p: UnsafePointer<T>) -> V { rest >= V.lanes ? V.load(p + i) : withPadding(0, p + i, rest, V.self) }
        @inline(__always) func store(_ v: V, _ p: UnsafeMutablePointer<T>) {
            if rest >= V.lanes { v.store(p + i) } else { storePartial(v, p + i, rest) }
        }
        var p = load(UnsafePointer(param)), g = load(grad)
        if has(SNN_MAXIMIZE) { g = -g }
        if has(SNN_DECAY) { g = .fma(decay, p, g) }
        switch kind {
        case SNN_SGD:
            if has(SNN_STATE_1) {
                // a: momentum, b: dampening
                let m = has(SNN_FIRST) ? g : load(UnsafePointer(first)) * a + b1 * g
                store(m, first)
                g = has(SNN_NESTEROV) ? .fma(a, m, g) : m
            }
            p = p - lr * g
        case SNN_ADAM:
            if has(SNN_DECOUPLED) { p = p * shrink }
            let m0 = load(UnsafePointer(first))
            let m = m0 + a1 * (g - m0)
            var v = load(UnsafePointer(second)) * b + b1 * g * g
            store(m, first)
            store(v, second)
            if has(SNN_STATE_3) {
                v = V.larger(load(UnsafePointer(third)), v)
                store(v, third)
            }
            p = p - lr * (m / (v.squareRoot() / correction + eps))
        case SNN_RMSPROP:
            // a: momentum, b: alpha
            let s = load(UnsafePointer(first)) * b + b1 * g * g
            store(s, first)
            var square = s
            if has(SNN_STATE_3) {
                let mean0 = load(UnsafePointer(third))
                let mean = mean0 + b1 * (g - mean0)
                store(mean, third)
                square = s - mean * mean
            }
            g = g / (square.squareRoot() + eps)
            if has(SNN_STATE_2) {
                g = load(UnsafePointer(second)) * a + g
                store(g, second)
            }
            p = p - lr * g
        default:
            let s = load(UnsafePointer(first)) + g * g
            store(s, first)
            p = p - lr * (g / (s.squareRoot() + eps))
        }
        store(p, param)
        i &+= V.lanes
    }
}

/// sum |x|, or with `largest` max |x|: NaN where there is a NaN.
@inline(never)
func absolutes<T: Real>(_ x: UnsafePointer<T>, _ n: Int, largest: Bool) -> T {
    typealias V = T.Vector
    if !largest { return fold(x, n, 0) { (a: V, v) in a + v.abs() }.sum() }
    let found = fold(x, n, 0) { (a: V, v) in V.larger(a, v.abs()) }
    // a NaN is never larger, but turns the sum of the lanes into NaN
    let sum = found.sum()
    return sum != sum ? sum : found.max()
}
