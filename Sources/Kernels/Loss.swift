// Losses: sums of exponentials along rows and down columns, element-wise losses and their derivatives, a step of CTC.
import CSwiftNN

/// max and log(sum exp(x - max)) of a row, and the sum of w (x - max - log) unless w is NULL.
@inline(never)
func logSumExp<T: Real>(_ x: UnsafePointer<T>, _ w: UnsafePointer<T>?, _ n: Int) -> (max: T, log: T, weighted: T) {
    typealias V = T.Vector
    let found = fold(x, n, -.infinity) { (a: V, v) in V.select(V.less(a, v), v, a) }.max()
    // With everything -inf, subtracting 0 keeps exp at 0.
    let largest = found == -.infinity ? 0 : found
    let center = V(largest)
    var total = V.zero
    var i = 0
    while i < n {
        let v = i &+ V.lanes <= n ? V.load(x + i) : withPadding(-.infinity, x + i, n &- i, V.self)
        total = total + V.exp(v - center)
        i &+= V.lanes
    }
    let log = V.log(V(total.sum()))
    var weighted = V.zero
    if let w {
        i = 0
        while i < n {
            let rest = n &- i
            let v = rest >= V.lanes ? V.load(x + i) : withPadding(0, x + i, rest, V.self)
            weighted = .fma(rest >= V.lanes ? V.load(w + i) : withPadding(0, w + i, rest, V.self), v - center - log, weighted)
            i &+= V.lanes
        }
    }
    return (largest, log.max(), weighted.sum())
}

/// The same down the columns of x (rows `stride` apart): max, log and weighted for each of n columns.
@inline(never)
func logSumExpColumns<T: Real>(_ argument: UnsafePointer<snn_log_sum_exp_columns>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let x = p.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let w = p.w?.assumingMemoryBound(to: T.self)
    let largest = p.max.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let log = p.log.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let weighted = p.weighted.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let n = Int(p.n)
    fill(largest, -.infinity, n)
    fill(log, 0, n)
    fill(weighted, 0, n)
    for row in 0..<Int(p.rows) {
        @inline(__always) func larger(_ a: V, _ v: V) -> V { V.select(V.less(a, v), v, a) }
        map2(UnsafePointer(largest), x + row &* Int(p.stride), largest, n, larger)
    }
    @inline(__always) func finite(_ v: V) -> V { V.select(V.less(v, V(-.greatestFiniteMagnitude)), .zero, v) }
    map(UnsafePointer(largest), largest, n, finite)
    for row in 0..<Int(p.rows) {
        let from = x + row &* Int(p.stride)
        var i = 0
        while i < n {
            let v = at(from, i, n, V.self), center = at(UnsafePointer(largest), i, n, V.self)
            put(at(UnsafePointer(log), i, n, V.self) + V.exp(v - center), log, i, n)
            i &+= V.lanes
        }
    }
    @inline(__always) func logarithm(_ v: V) -> V { V.log(v) }
    map(UnsafePointer(log), log, n, logarithm)
    guard let w else { return }
    for row in 0..<Int(p.rows) {
        let from = x + row &* Int(p.stride)
        let weight = V(w[row])
        var i = 0
        while i < n {
            let v = at(from, i, n, V.self) - at(UnsafePointer(largest), i, n, V.self) - at(UnsafePointer(log), i, n, V.self)
            put(V.fma(weight, v, at(UnsafePointer(weighted), i, n, V.self)), weighted, i, n)
            i &+= V.lanes
        }
    }
}

/// Vector i of a row of n numbers, the last one filled with zeros.
@inline(__always)
private func at<V: Wide>(_ p: UnsafePointer<V.Scalar>, _ i: Int, _ n: Int, _: V.Type) -> V {
    i &+ V.lanes <= n ? V.load(p + i) : withPadding(0, p + i, n &- i, V.self)
}

@inline(__always)
private func put<V: Wide>(_ v: V, _ p: UnsafeMutablePointer<V.Scalar>, _ i: Int, _ n: Int) {
    if i &+ V.lanes <= n { v.store(p + i) } else { storePartial(v, p + i, n &- i) }
}

/// y = scale exp(x - shift) - less w: the gradient of a softmax's logarithms. The contract is snn_exp_row's.
@inline(never)
func expRow<T: Real>(_ argument: UnsafePointer<snn_exp_row>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let x = p.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let shift = p.shift.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let scale = p.scale.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let less = p.less?.assumingMemoryBound(to: T.self)
    let w = p.w?.assumingMemoryBound(to: T.self)
    let y = p.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let n = Int(p.n), each = p.each != 0
    var i = 0
    while i < n {
        var v = at(x, i, n, V.self) - (each ? at(shift, i, n, V.self) : V(shift[0]))
        v = V.exp(v) * (each ? at(scale, i, n, V.self) : V(scale[0]))
        if let less, let w {
            v = v - (each ? at(less, i, n, V.self) * V(w[0]) : V(less[0]) * at(w, i, n, V.self))
        }
        put(v, y, i, n)
        i &+= V.lanes
    }
}

/// y = a * b; any of them may be the same.
@inline(never)
func multiply<T: Real>(_ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ n: Int) {
    @inline(__always) func f(_ u: T.Vector, _ v: T.Vector) -> T.Vector { u * v }
    map2(a, b, y, n, f)
}

extension Wide {
    /// log(1 - x) for 0 <= x < 1, -infinity for 1: log(u) + ((1 - u) - x) / u with u = 1 - x rounded.
    @_transparent static func log1m(_ x: Self) -> Self {
        let u = one - x
        return select(less(zero, u), log(u) + ((one - u) - x) / u, Self(-.infinity))
    }
    /// -1, 0 or 1 like a; NaN where a is NaN.
    @_transparent static func sign(_ a: Self) -> Self { select(less(zero, a), one, select(less(a, zero), -one, a)) }
    /// a limited to -b ... b; NaN where a is NaN.
    @_transparent static func limited(_ a: Self, _ b: Self) -> Self { min(max(a, -b), b) }
}

/// A loss element by element (part SNN_LOSS_VALUE), or its derivative by x or t. kind: snn_loss; alpha its parameter; p: pos_weight or NULL
/// (BCE_WITH_LOGITS). The derivatives by t of losses of x - t are those by x, negated: not here. Whether x is a probability (BCE).
@inline(never)
func pointwiseLoss<T: Real>(
    _ kind: Int, _ part: Int, _ alpha: T, _ x: UnsafePointer<T>, _ t: UnsafePointer<T>, _ p: UnsafePointer<T>?,
    _ y: UnsafeMutablePointer<T>, _ n: Int, _: T.Type
) -> Bool {
    typealias V = T.Vector
    let a = V(alpha), half = V(0.5)
    switch kind &* 3 &+ part {
    case SNN_MSE * 3:
        @inline(__always) func f(_ x: V, _ t: V) -> V { (x - t) * (x - t) }
        map2(x, t, y, n, f)
    case SNN_MSE * 3 + 1:
        @inline(__always) func f(_ x: V, _ t: V) -> V { (x - t) + (x - t) }
        map2(x, t, y, n, f)
    case SNN_L1 * 3:
        @inline(__always) func f(_ x: V, _ t: V) -> V { (x - t).abs() }
        map2(x, t, y, n, f)
    case SNN_L1 * 3 + 1:
        @inline(__always) func f(_ x: V, _ t: V) -> V { V.sign(x - t) }
        map2(x, t, y, n, f)
    case SNN_SMOOTH_L1 * 3:
        @inline(__always) func f(_ x: V, _ t: V) -> V {
            let z = (x - t).abs()
            return V.select(V.less(z, a), half * z * z / a, z - half * a)
        }
        map2(x, t, y, n, f)
    case SNN_SMOOTH_L1 * 3 + 1:
        @inline(__always) func f(_ x: V, _ t: V) -> V { V.limited((x - t) / a, .one) }
        map2(x, t, y, n, f)
    case SNN_HUBER * 3:
        @inline(__always) func f(_ x: V, _ t: V) -> V {
            let z = (x - t).abs()
            return V.select(V.less(a, z), a * (z - half * a), half * z * z)
        }
        map2(x, t, y, n, f)
    case SNN_HUBER * 3 + 1:
        @inline(__always) func f(_ x: V, _ t: V) -> V { V.limited(x - t, a) }
        map2(x, t, y, n, f)
    case SNN_BCE * 3:
        var outside = V.zero
        @inline(__always) func f(_ x: V, _ t: V) -> V {
            outside = V.select(V.either(V.either(V.less(x, .zero), V.less(.one, x)), V.isNaN(x)), .one, outside)
            return (t - .one) * V.max(V.log1m(x), V(-100)) - t * V.max(V.log(x), V(-100))
        }
        map2(x, t, y, n, f)
        return !(outside.max() > 0)
    case SNN_BCE * 3 + 1:
        @inline(__always) func f(_ x: V, _ t: V) -> V { (x - t) / V.max((.one - x) * x, V(T(1e-12))) }
        map2(x, t, y, n, f)
    case SNN_BCE * 3 + 2:
        @inline(__always) func f(_ x: V, _: V) -> V { V.log1m(x) - V.log(x) }
        map2(x, t, y, n, f)
    case SNN_BCE_WITH_LOGITS * 3, SNN_BCE_WITH_LOGITS * 3 + 1, SNN_BCE_WITH_LOGITS * 3 + 2:
        var i = 0
        while i < n {
            let v = at(x, i, n, V.self), u = at(t, i, n, V.self)
            let w = p.map { at($0, i, n, V.self) } ?? .one
            if part == 1 {
                put((w * u + .one - u) * V.sigmoid(v) - w * u, y, i, n)
            } else {
                // log(1 + exp(-x)), weighted by 1 + (w - 1) t; its derivative by t is w - 1
                let s = V.softplus(-v)
                put(part == 0 ? (.one - u) * v + (.one + (w - .one) * u) * s : (w - .one) * s - v, y, i, n)
            }
            i &+= V.lanes
        }
    // alpha is 1 where t is a logarithm. 0 log 0 = 0.
    case SNN_KL_DIV * 3:
        if alpha != 0 {
            @inline(__always) func f(_ x: V, _ t: V) -> V { V.exp(t) * (t - x) }
            map2(x, t, y, n, f)
        } else {
            @inline(__always) func f(_ x: V, _ t: V) -> V { V.select(V.less(.zero, t.abs()), t * V.log(t), t) - t * x }
            map2(x, t, y, n, f)
        }
    case SNN_KL_DIV * 3 + 1:
        if alpha != 0 {
            @inline(__always) func f(_: V, _ t: V) -> V { -V.exp(t) }
            map2(x, t, y, n, f)
        } else {
            @inline(__always) func f(_: V, _ t: V) -> V { -t }
            map2(x, t, y, n, f)
        }
    case SNN_KL_DIV * 3 + 2:
        if alpha != 0 {
            @inline(__always) func f(_ x: V, _ t: V) -> V { V.exp(t) * (t - x + .one) }
            map2(x, t, y, n, f)
        } else {
            @inline(__always) func f(_ x: V, _ t: V) -> V { V.log(t) + t / t - x }
            map2(x, t, y, n, f)
        }
    default: break
    }
    return true
}

/// y[s] = log(exp(p[s]) + exp(p[s-1]) + exp(p[s-2] + skip[s])) + emit[s]; two numbers stand in front of p.
@inline(never)
func ctcStep<T: Real>(
    _ p: UnsafePointer<T>, _ skip: UnsafePointer<T>, _ emit: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ n: Int
) {
    typealias V = T.Vector
    var i = 0
    while i < n {
        let a = at(p, i, n, V.self), b = at(p - 1, i, n, V.self), c = at(p - 2, i, n, V.self) + at(skip, i, n, V.self)
        let largest = V.max(V.max(a, b), c)
        // With everything -inf, subtracting 0 keeps exp at 0.
        let m = V.select(V.less(largest, V(-.greatestFiniteMagnitude)), .zero, largest)
        put(V.log(V.exp(a - m) + V.exp(b - m) + V.exp(c - m)) + m + at(emit, i, n, V.self), y, i, n)
        i &+= V.lanes
    }
}
