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
    var s = V.zero, t = V.zero
    var i = 0
    while i &+ 2 &* V.lanes <= n {
        s = .fma(.load(a + i), .load(b + i), s)
        t = .fma(.load(a + (i &+ V.lanes)), .load(b + (i &+ V.lanes)), t)
        i &+= 2 &* V.lanes
    }
    while i < n {
        s = .fma(V.part(a + i, n &- i), V.part(b + i, n &- i), s)
        i &+= V.lanes
    }
    return (s + t).sum()
}

/// Mean and biased variance in two passes: the one-pass form loses digits when the mean is large.
@inline(never)
func moments<T: Real>(_ x: UnsafePointer<T>, _ n: Int) -> (mean: T, variance: T) {
    let mean = sum(x, n) / T(n)
    return (mean, squares(x, mean, n) / T(n))
}

@inline(never)
func meanSquare<T: Real>(_ x: UnsafePointer<T>, _ n: Int) -> T { squares(x, 0, n) / T(n) }

/// The sum of (x - center)^2, four vectors at a time.
@inline(__always)
private func squares<T: Real>(_ x: UnsafePointer<T>, _ center: T, _ n: Int) -> T {
    typealias V = T.Vector
    let m = V(center)
    var a = V.zero, b = V.zero, c = V.zero, d = V.zero
    var i = 0
    while i &+ 4 &* V.lanes <= n {
        let p = V.load(x + i) - m, q = V.load(x + (i &+ V.lanes)) - m
        let r = V.load(x + (i &+ 2 &* V.lanes)) - m, s = V.load(x + (i &+ 3 &* V.lanes)) - m
        a = .fma(p, p, a)
        b = .fma(q, q, b)
        c = .fma(r, r, c)
        d = .fma(s, s, d)
        i &+= 4 &* V.lanes
    }
    a = (a + b) + (c + d)
    while i < n {
        let left = n &- i
        let p = (left >= V.lanes ? V.load(x + i) : withPadding(center, x + i, left, V.self)) - m
        a = .fma(p, p, a)
        i &+= V.lanes
    }
    return a.sum()
}
