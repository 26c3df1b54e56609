// Loops over contiguous rows: whole vectors, then one partial vector, so that a lane's result does not depend on where it stands
// and nothing outside the row is touched.

@inline(__always)
func withPadding<V: Wide>(_ value: V.Scalar, _ p: UnsafePointer<V.Scalar>, _ n: Int, _: V.Type) -> V {
    V.load(p, lanes: (1 &<< UInt64(n)) &- 1, value)
}

@inline(__always)
func storePartial<V: Wide>(_ v: V, _ p: UnsafeMutablePointer<V.Scalar>, _ n: Int) { v.store(p, first: n) }

extension Wide {
    /// The numbers at p, or where fewer than a vector are left those and zeros.
    @inline(__always) static func part(_ p: UnsafePointer<Scalar>, _ left: Int) -> Self {
        left >= lanes ? load(p) : withPadding(0, p, left, Self.self)
    }
}

extension Lanes {
    @inline(__always) func put(_ p: UnsafeMutablePointer<Scalar>, _ left: Int) {
        if left >= Self.lanes { store(p) } else { store(p, first: left) }
    }
}

/// Calls body(i, n - i) for i = 0, lanes, 2 lanes, ... below n: `part` and `put` treat the last vector.
@inline(__always)
func walk<V: Wide>(_ n: Int, _: V.Type, _ body: (_ i: Int, _ left: Int) -> Void) {
    var i = 0
    while i &+ V.lanes <= n {
        body(i, V.lanes)
        i &+= V.lanes
    }
    if i < n { body(i, n &- i) }
}

/// y[i] = f(x[i]); x may be y. f has to be a local function with @inline(__always): a closure that captures something stays a call for
/// every vector.
@inline(__always)
func map<V: Wide>(_ x: UnsafePointer<V.Scalar>, _ y: UnsafeMutablePointer<V.Scalar>, _ n: Int, _ f: (V) -> V) {
    var i = 0
    // One copy of f serves whole and partial vectors: f may be long.
    while i < n {
        let rest = n &- i
        let v = f(rest >= V.lanes ? V.load(x + i) : withPadding(0, x + i, rest, V.self))
        if rest >= V.lanes { v.store(y + i) } else { storePartial(v, y + i, rest) }
        i &+= V.lanes
    }
}

/// y[i] = f(a[i], b[i])
@inline(__always)
func map2<V: Wide>(
    _ a: UnsafePointer<V.Scalar>, _ b: UnsafePointer<V.Scalar>, _ y: UnsafeMutablePointer<V.Scalar>, _ n: Int, _ f: (V, V) -> V
) {
    var i = 0
    while i < n {
        let rest = n &- i
        let whole = rest >= V.lanes
        let u = whole ? V.load(a + i) : withPadding(0, a + i, rest, V.self)
        let v = f(u, whole ? V.load(b + i) : withPadding(0, b + i, rest, V.self))
        if whole { v.store(y + i) } else { storePartial(v, y + i, rest) }
        i &+= V.lanes
    }
}

/// The fold of f over the row in V.lanes virtual lanes, `identity` filling the last vector. f as in map.
@inline(__always)
func fold<V: Wide>(_ x: UnsafePointer<V.Scalar>, _ n: Int, _ identity: V.Scalar, _ f: (V, V) -> V) -> V {
    var accumulator = V(identity)
    var i = 0
    while i &+ V.lanes <= n {
        accumulator = f(accumulator, V.load(x + i))
        i &+= V.lanes
    }
    if i < n { accumulator = f(accumulator, withPadding(identity, x + i, n &- i, V.self)) }
    return accumulator
}

/// y[i] = value
@inline(__always)
func fill<T: Real>(_ y: UnsafeMutablePointer<T>, _ value: T, _ n: Int) {
    let v = T.Vector(value)
    var i = 0
    while i &+ T.Vector.lanes <= n {
        v.store(y + i)
        i &+= T.Vector.lanes
    }
    while i < n {
        y[i] = value
        i &+= 1
    }
}
