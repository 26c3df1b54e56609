// Softmax and log-softmax of a contiguous row.

/// y = exp(x - max) / sum, or with `log` x - max - log(sum). x may be y. A row of -inf gives NaN, or zeros where `masked`: attention that
/// may look at nothing.
@inline(never)
func softmax<T: Real>(_ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ n: Int, log: Bool, masked: Bool) {
    typealias V = T.Vector
    let largest = fold(x, n, -.infinity) { (a: V, v) in V.select(V.less(a, v), v, a) }.max()
    if log {
        let center = V(largest)
        let total = fold(x, n, -.infinity, starting: .zero) { (a: V, v) in a + V.exp(v - center) }.sum()
        let logTotal = V.log(V(total))
        map(x, y, n) { (v: V) in v - center - logTotal }
        return
    }
    // With everything -inf, subtracting 0 keeps exp at 0; dividing by 1 then gives zeros. A NaN in the row is not the largest, so it
    // reaches exp and the sum and makes the whole row NaN, as it should.
    let empty = masked && largest == -.infinity
    let center = V(empty ? 0 : largest)
    map(x, y, n) { (v: V) in V.exp(v - center) }
    let total = sum(UnsafePointer(y), n)
    let scale = V(1 / (total == 0 ? 1 : total))
    map(y, y, n) { (v: V) in v * scale }
}

/// The fold of f from `start`, the last vector filled with `padding`.
@inline(__always)
private func fold<V: Wide>(
    _ x: UnsafePointer<V.Scalar>, _ n: Int, _ padding: V.Scalar, starting start: V, _ f: (V, V) -> V
) -> V {
    var accumulator = start
    var i = 0
    while i &+ V.lanes <= n {
        accumulator = f(accumulator, V.load(x + i))
        i &+= V.lanes
    }
    if i < n { accumulator = f(accumulator, withPadding(padding, x + i, n &- i, V.self)) }
    return accumulator
}
