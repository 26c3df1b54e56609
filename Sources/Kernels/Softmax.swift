// Softmax and log-softmax of a contiguous row, and softmax down the columns of attention's scores.
import CSwiftNN

/// y = exp(x - max) / sum, or with `log` x - max - log(sum). x may be y. A row of -inf gives NaN, or zeros where `masked`: attention that
/// may look at nothing; that is not divided by the sum either.
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
    if masked { return }
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

/// Down the columns: a vector of queries at a time, over the keys in order. The contract is snn_softmax_columns'.
@inline(never)
func softmaxColumns<T: Real>(_ argument: UnsafePointer<snn_softmax_columns>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let x = p.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let mask = p.mask?.assumingMemoryBound(to: T.self)
    let bias = p.bias?.assumingMemoryBound(to: T.self)
    let inverse = p.inverse.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let logs = p.log_sum_exp?.assumingMemoryBound(to: T.self)
    let n = Int(p.n), stride = Int(p.stride), limit = Int(p.limit)
    var j = 0
    while j < Int(p.width) {
        let column = x + j
        addMasks(column, mask.map { $0 + j }, bias, n, stride, limit &+ j, T.self)
        let largest = columnMax(column, n, stride, T.self)
        // With everything -inf, subtracting 0 keeps exp at 0. A NaN is never the largest, so it reaches exp and the sum.
        let center = V.select(V.less(largest, V(-.greatestFiniteMagnitude)), .zero, largest)
        let total = columnExp(column, n, stride, center, T.self)
        V.select(V.less(.zero, total), V(1) / total, V.select(V.isNaN(total), total, .zero)).store(inverse + j)
        if let logs { (center + V.log(total)).store(logs + j) }
        j &+= V.lanes
    }
}

@inline(__always)
private func addMasks<T: Real>(
    _ x: UnsafeMutablePointer<T>, _ mask: UnsafePointer<T>?, _ bias: UnsafePointer<T>?, _ n: Int, _ stride: Int, _ limit: Int, _: T.Type
) {
    typealias V = T.Vector
    if mask != nil || bias != nil {
        for s in 0..<n {
            var v = V.load(x + s &* stride)
            // What is ruled out is out, also where the score is infinite or NaN.
            let low = V(-.greatestFiniteMagnitude), none = V(-.infinity)
            if let mask {
                let m = V.load(mask + s &* stride)
                v = V.select(V.less(m, low), none, v + m)
            }
            if let bias {
                let m = V(bias[s])
                v = V.select(V.less(m, low), none, v + m)
            }
            v.store(x + s &* stride)
        }
    }
    var s = limit
    while s < n {
        // Column c counts rows below limit + c.
        for c in 0..<min(V.lanes, s &- limit &+ 1) { x[s &* stride &+ c] = -.infinity }
        s &+= 1
    }
}

/// Four rows at a time, so that a maximum need not wait for the one before it.
@inline(__always)
private func columnMax<T: Real>(_ x: UnsafePointer<T>, _ n: Int, _ stride: Int, _: T.Type) -> T.Vector {
    typealias V = T.Vector
    var a = V(-.infinity), b = a, c = a, d = a
    var s = 0
    while s &+ 4 <= n {
        let row = x + s &* stride
        a = V.max(a, .load(row))
        b = V.max(b, .load(row + stride))
        c = V.max(c, .load(row + 2 &* stride))
        d = V.max(d, .load(row + 3 &* stride))
        s &+= 4
    }
    while s < n {
        a = V.max(a, .load(x + s &* stride))
        s &+= 1
    }
    return V.max(V.max(a, b), V.max(c, d))
}

/// x = exp(x - center) and the sum, 64 rows at a time: partial sums lose fewer digits than one long one.
@inline(__always)
private func columnExp<T: Real>(_ x: UnsafeMutablePointer<T>, _ n: Int, _ stride: Int, _ center: T.Vector, _: T.Type) -> T.Vector {
    typealias V = T.Vector
    var total = V.zero
    var s = 0
    while s < n {
        var part = V.zero
        for _ in 0..<min(64, n &- s) {
            let row = x + s &* stride
            let e = V.exp(V.load(row) - center)
            e.store(row)
            part = part + e
            s &+= 1
        }
        total = total + part
    }
    return total
}
