// Sums over a row in a fixed number of virtual lanes: the same bits on every level.
import CSwiftNN

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

/// y[j] = (Σ over i in order of scales[i] table[rows[i] * stride + j]) / divisor: four vectors of a row at a time, the sums in registers.
/// The rows lie anywhere, so those that come soon are asked for.
@inline(never)
func sumRows<T: Real>(_ p: UnsafePointer<snn_row_sum>, _: T.Type) {
    typealias V = T.Vector
    let a = p.pointee
    let table = a.table.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let y = a.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let rows = a.rows.unsafelyUnwrapped
    let n = Int(a.n), count = Int(a.count), stride = Int(a.stride)
    var number = T(1)
    withUnsafePointer(to: &number) { one in
        let scales = a.scales.map { $0.assumingMemoryBound(to: T.self) } ?? one
        let step = a.scales == nil ? 0 : 1
        let divides = a.divisor != 1
        let divisor = V(T(a.divisor))
        var j = 0
        while j &+ 4 &* V.lanes <= n {
            let strip = table + j
            var row = strip + Int(rows[0]) &* stride
            var s = V(scales[0])
            var s0 = V.load(row) * s, s1 = V.load(row + V.lanes) * s
            var s2 = V.load(row + 2 &* V.lanes) * s, s3 = V.load(row + 3 &* V.lanes) * s
            var i = 1
            while i < count {
                let ahead = strip + Int(rows[min(i &+ 8, count &- 1)]) &* stride
                var line = 0
                while line < 4 &* V.lanes {
                    snn_prefetch_near(ahead + line)
                    line &+= 64 / MemoryLayout<T>.stride
                }
                row = strip + Int(rows[i]) &* stride
                s = V(scales[i &* step])
                s0 = .fma(.load(row), s, s0)
                s1 = .fma(.load(row + V.lanes), s, s1)
                s2 = .fma(.load(row + 2 &* V.lanes), s, s2)
                s3 = .fma(.load(row + 3 &* V.lanes), s, s3)
                i &+= 1
            }
            if divides {
                s0 = s0 / divisor
                s1 = s1 / divisor
                s2 = s2 / divisor
                s3 = s3 / divisor
            }
            let to = y + j
            s0.store(to)
            s1.store(to + V.lanes)
            s2.store(to + 2 &* V.lanes)
            s3.store(to + 3 &* V.lanes)
            j &+= 4 &* V.lanes
        }
        while j < n {
            let left = n &- j
            var s0 = V.part(table + (Int(rows[0]) &* stride &+ j), left) * V(scales[0])
            var i = 1
            while i < count {
                s0 = .fma(V.part(table + (Int(rows[i]) &* stride &+ j), left), V(scales[i &* step]), s0)
                i &+= 1
            }
            if divides { s0 = s0 / divisor }
            s0.put(y + j, left)
            j &+= V.lanes
        }
    }
}
