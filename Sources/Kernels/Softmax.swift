// Softmax and log-softmax of a contiguous row, and softmax down the columns of attention's scores with its derivative.
import CSwiftNN

/// y = exp(x - max) / sum, or with `log` x - max - log(sum). x may be y. A row of -inf gives NaN, or zeros where `masked`: attention that
/// may look at nothing; that is not divided by the sum either. Asks for the row behind x, which is likely to be the next.
@inline(never)
func softmax<T: Real>(_ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ n: Int, log: Bool, masked: Bool) {
    typealias V = T.Vector
    let largest = rowMax(x, n, T.self)
    // With everything -inf, subtracting 0 keeps exp at 0; dividing by 1 then gives zeros. A NaN in the row is not the largest, so it
    // reaches exp and the sum and makes the whole row NaN, as it should.
    let center = V(masked && largest == -.infinity ? 0 : largest)
    let total = rowExp(x, log ? nil : y, n, center, T.self)
    if masked { return }
    let sum = total.sum()
    if log {
        let logTotal = V.log(V(sum))
        @inline(__always) func f(_ v: V) -> V { v - center - logTotal }
        mapAndAskForNext(x, y, n, x + n, f)
    } else {
        let scale = V(1 / (sum == 0 ? 1 : sum))
        @inline(__always) func f(_ v: V) -> V { v * scale }
        mapAndAskForNext(y, y, n, x + n, f)
    }
}

@inline(__always)
private func mapAndAskForNext<V: Wide>(
    _ x: UnsafePointer<V.Scalar>, _ y: UnsafeMutablePointer<V.Scalar>, _ n: Int, _ next: UnsafePointer<V.Scalar>, _ f: (V) -> V
) {
    walk(n, V.self) { i, left in
        snn_prefetch(next + i)
        f(V.part(x + i, left)).put(y + i, left)
    }
}

/// y = exp(x - center), if there is a y, and the sum, in pieces of 64 vectors: partial sums lose fewer digits than one long one. No x is
/// larger than the center.
@inline(__always)
private func rowExp<T: Real>(
    _ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>?, _ n: Int, _ center: T.Vector, _: T.Type
) -> T.Vector {
    typealias V = T.Vector
    var total = V.zero
    var i = 0
    while i < n {
        var part = V.zero
        let end = min(n, i &+ 64 &* V.lanes)
        while i &+ V.lanes <= end {
            let e = V.expNegative(V.load(x + i) - center)
            if let y { e.store(y + i) }
            part = part + e
            i &+= V.lanes
        }
        if i < end {
            let e = V.expNegative(withPadding(-.infinity, x + i, end &- i, V.self) - center)
            if let y { e.store(y + i, first: end &- i) }
            part = part + e
            i = end
        }
        total = total + part
    }
    return total
}

/// The largest number that is not NaN. Four vectors at a time, so that a maximum need not wait for the one before it.
@inline(__always)
private func rowMax<T: Real>(_ x: UnsafePointer<T>, _ n: Int, _: T.Type) -> T {
    typealias V = T.Vector
    var a = V(-.infinity), b = a, c = a, d = a
    var i = 0
    while i &+ 4 &* V.lanes <= n {
        a = V.max(a, .load(x + i))
        b = V.max(b, .load(x + (i &+ V.lanes)))
        c = V.max(c, .load(x + (i &+ 2 &* V.lanes)))
        d = V.max(d, .load(x + (i &+ 3 &* V.lanes)))
        i &+= 4 &* V.lanes
    }
    while i < n {
        a = V.max(a, n &- i >= V.lanes ? .load(x + i) : withPadding(-.infinity, x + i, n &- i, V.self))
        i &+= V.lanes
    }
    return V.max(V.max(a, b), V.max(c, d)).max()
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
    let keep = p.keep?.assumingMemoryBound(to: T.self)
    let n = Int(p.n), stride = Int(p.stride), limit = Int(p.limit)
    var j = 0
    while j < Int(p.width) {
        let column = x + j
        addMasks(column, mask.map { $0 + j }, bias, n, stride, limit &+ j, T.self)
        let largest = columnMax(column, n, stride, T.self)
        // With everything -inf, subtracting 0 keeps exp at 0. A NaN is never the largest, so it reaches exp and the sum.
        let center = V.select(V.less(largest, V(-.greatestFiniteMagnitude)), .zero, largest)
        let total = columnExp(column, n, stride, center, T.self)
        let scale = V.select(V.less(.zero, total), V(1) / total, V.select(V.isNaN(total), total, .zero))
        if let logs { (center + V.log(total)).store(logs + j) }
        if let keep {
            for s in 0..<n { kept(V.load(column + s &* stride) * scale, keep + (s &* stride &+ j)).store(column + s &* stride) }
            V(1).store(inverse + j)
        } else {
            scale.store(inverse + j)
        }
        j &+= V.lanes
    }
}

/// v times dropout's factors at p; 0 where they are, whatever v is.
@inline(__always)
private func kept<V: Wide>(_ v: V, _ p: UnsafePointer<V.Scalar>) -> V {
    let factor = V.load(p)
    return V.select(V.less(.zero, factor), v * factor, .zero)
}

/// Down the columns once more. The contract is snn_softmax_columns_backward's.
@inline(never)
func softmaxColumnsBackward<T: Real>(_ argument: UnsafePointer<snn_softmax_columns_backward>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let x = p.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let dx = p.dx.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let mask = p.mask?.assumingMemoryBound(to: T.self)
    let bias = p.bias?.assumingMemoryBound(to: T.self)
    let keep = p.keep?.assumingMemoryBound(to: T.self)
    let logs = p.log_sum_exp.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let n = Int(p.n), stride = Int(p.stride), limit = Int(p.limit)
    var j = 0
    while j < Int(p.width) {
        let column = x + j
        let factors = keep.map { $0 + j }
        addMasks(column, mask.map { $0 + j }, bias, n, stride, limit &+ j, T.self)
        let log = V.load(logs + j)
        let center = V.select(V.less(log, V(-.greatestFiniteMagnitude)), .zero, log)
        let gradient = dx + j
        // In pieces of 64 rows: partial sums lose fewer digits than one long one.
        var total = V.zero
        var s = 0
        while s < n {
            var part = V.zero
            for _ in 0..<min(64, n &- s) {
                let v = V.exp(V.load(column + s &* stride) - center)
                // What has no share in the output has no gradient, also where the value behind it is infinite or NaN.
                var d = V.select(V.less(.zero, v), .load(gradient + s &* stride), .zero)
                if let factors { d = kept(d, factors + s &* stride) }
                v.store(column + s &* stride)
                d.store(gradient + s &* stride)
                part = V.fma(v, d, part)
                s &+= 1
            }
            total = total + part
        }
        for s in 0..<n {
            let v = V.load(column + s &* stride)
            (v * (V.load(gradient + s &* stride) - total)).store(gradient + s &* stride)
            if let factors { kept(v, factors + s &* stride).store(column + s &* stride) }
        }
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
        if s &- limit &+ 1 >= V.lanes {
            V(-.infinity).store(x + s &* stride)
        } else {
            for c in 0...(s &- limit) { x[s &* stride &+ c] = -.infinity }
        }
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
            let e = V.expNegative(V.load(row) - center)
            e.store(row)
            part = part + e
            s &+= 1
        }
        total = total + part
    }
    return total
}
