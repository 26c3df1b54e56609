// Sums over a row in a fixed number of virtual lanes: the same bits on every level.

@inline(never)
func sum<T: Real>(_ x: UnsafePointer<T>, _ n: Int) -> T { rowSum(x, n) }

/// Four vectors of sums, so that an addition need not wait for the one before it; what is left over goes into the first.
@inline(__always)
func rowSum<T: Real>(_ x: UnsafePointer<T>, _ n: Int) -> T {
    typealias V = T.Vector
    var a = V.zero
    var i = 0
    if n >= 4 &* V.lanes {
        var b = V.zero, c = V.zero, d = V.zero
        while i &+ 4 &* V.lanes <= n {
            a = a + .load(x + i)
            b = b + .load(x + (i &+ V.lanes))
            c = c + .load(x + (i &+ 2 &* V.lanes))
            d = d + .load(x + (i &+ 3 &* V.lanes))
            i &+= 4 &* V.lanes
        }
        a = (a + b) + (c + d)
    }
    while i &+ V.lanes <= n {
        a = a + .load(x + i)
        i &+= V.lanes
    }
    if i < n { a = a + withPadding(0, x + i, n &- i, V.self) }
    return a.sum()
}

@inline(never)
func dot<T: Real>(_ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ n: Int) -> T {
    typealias V = T.Vector
    var s = V.zero
    var i = 0
    while i &+ V.lanes <= n {
        s = .fma(.load(a + i), .load(b + i), s)
        i &+= V.lanes
    }
    if i < n { s = .fma(withPadding(0, a + i, n &- i, V.self), withPadding(0, b + i, n &- i, V.self), s) }
    return s.sum()
}

/// Mean and biased variance in two passes: the one-pass form loses digits when the mean is large.
@inline(never)
func moments<T: Real>(_ x: UnsafePointer<T>, _ n: Int) -> (mean: T, variance: T) {
    typealias V = T.Vector
    let mean = sum(x, n) / T(n)
    let center = V(mean)
    var s = V.zero
    var i = 0
    while i &+ V.lanes <= n {
        let d = V.load(x + i) - center
        s = .fma(d, d, s)
        i &+= V.lanes
    }
    if i < n {
        let d = withPadding(mean, x + i, n &- i, V.self) - center
        s = .fma(d, d, s)
    }
    return (mean, s.sum() / T(n))
}

@inline(never)
func meanSquare<T: Real>(_ x: UnsafePointer<T>, _ n: Int) -> T {
    fold(x, n, 0) { (a: T.Vector, v) in .fma(v, v, a) }.sum() / T(n)
}
