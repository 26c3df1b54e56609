// Vector types of the kernels. Every level computes with the same number of virtual lanes (16 float, 8 double: one AVX-512 register, two
// of AVX2, four of SSE), so that sums over lanes give the same bits on all of them. Operations are spelled as protocol members with one
// concrete body per type: the generic SIMD operators of the standard library would become outlined calls.
import CSwiftNN

/// What sums of products need of a vector of `lanes` numbers. Arithmetic is lane by lane.
protocol Lanes {
    associatedtype Scalar: Real
    static var lanes: Int { get }
    init(_ value: Scalar)
    static func load(_ p: UnsafePointer<Scalar>) -> Self
    func store(_ p: UnsafeMutablePointer<Scalar>)
    /// The first n < lanes numbers.
    func store(_ p: UnsafeMutablePointer<Scalar>, first n: Int)
    /// a * b + c, fused where the level can.
    static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self
    static func + (a: Self, b: Self) -> Self
}

/// A vector with as many lanes on every level.
protocol Wide: Lanes where Scalar.Vector == Self {
    associatedtype Mask
    /// An integer as wide as the scalar in every lane: places in a window.
    associatedtype Places
    associatedtype PlaceNumber: FixedWidthInteger
    /// The first n < lanes numbers at p, and nothing behind them; the other lanes are 0.
    static func loadFirst(_ p: UnsafePointer<Scalar>, _ n: Int) -> Self
    func storeFirst(_ p: UnsafeMutablePointer<Scalar>, _ n: Int)
    /// p[i] in the lanes whose bit is set, `fill` in the others, of which nothing is read.
    static func load(_ p: UnsafePointer<Scalar>, lanes: UInt64, _ fill: Scalar) -> Self
    /// p[i * stride]
    static func load(_ p: UnsafePointer<Scalar>, stride: Int) -> Self
    /// Elements 0, 2, 4, ... and 1, 3, 5, ... of a and then b.
    static func unzip(_ a: Self, _ b: Self) -> (even: Self, odd: Self)
    /// Lane i is number places[i] of those in a and b.
    static func pick(_ a: Self, _ b: Self, _ places: SIMD16<Int32>) -> Self
    /// Elements 0, 3, 6, ... of a, b and c.
    static func everyThird(_ a: Self, _ b: Self, _ c: Self) -> Self
    /// Quarter j of a, b, c and d in this order.
    static func quarters(_ j: Int, _ a: Self, _ b: Self, _ c: Self, _ d: Self) -> Self
    /// A quarter of a vector from each place.
    static func loadQuarters(
        _ a: UnsafePointer<Scalar>, _ b: UnsafePointer<Scalar>, _ c: UnsafePointer<Scalar>, _ d: UnsafePointer<Scalar>
    ) -> Self
    /// The first `count` numbers of quarters 0 ..< n to p, p + stride, ...
    func storeQuarters(_ p: UnsafeMutablePointer<Scalar>, stride: Int, _ n: Int, count: Int)
    static func - (a: Self, b: Self) -> Self
    static func * (a: Self, b: Self) -> Self
    static func / (a: Self, b: Self) -> Self
    static prefix func - (a: Self) -> Self
    /// The smaller of a and b; a where either is NaN, so NaN where a is.
    static func min(_ a: Self, _ b: Self) -> Self
    static func max(_ a: Self, _ b: Self) -> Self
    static func less(_ a: Self, _ b: Self) -> Mask
    static func isNaN(_ a: Self) -> Mask
    /// Which of the numbers at p are at least `threshold`.
    static func atLeast(_ p: UnsafePointer<UInt32>, _ threshold: UInt32) -> Mask
    /// The larger number; NaN where either is NaN, b's if both are; a where they are equal.
    static func larger(_ a: Self, _ b: Self) -> Self
    static func either(_ a: Mask, _ b: Mask) -> Mask
    static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self
    static func places(_ value: Int) -> Places
    static func loadPlaces(_ p: UnsafePointer<Scalar>) -> Places
    static func storePlaces(_ places: Places, _ p: UnsafeMutablePointer<Scalar>)
    static func select(_ mask: Mask, _ a: Places, _ b: Places) -> Places
    static func sum(_ a: Places, _ b: Places) -> Places
    /// at[i] - first - 2 i; `outside` is no longer zero if one is not between 0 and 2^32.
    static func pairPlaces(_ at: UnsafePointer<Int64>, _ first: Int, _ outside: inout SIMD8<Int64>) -> Places
    static func equal(_ places: Places, _ value: Int) -> Mask
    /// Lanes where neither mask is set, gathered in `some`.
    static func neither(_ a: Mask, _ b: Mask, _ some: inout SIMD8<Int64>)
    /// a[0], b[0], a[1], b[1], ...
    static func storeZipped(_ p: UnsafeMutablePointer<Scalar>, _ a: Self, _ b: Self)
    /// a[0], b[0], c[0], d[0], a[1], ...; stream: past the caches, p aligned to 64 bytes.
    static func storeZipped(_ p: UnsafeMutablePointer<Scalar>, _ a: Self, _ b: Self, _ c: Self, _ d: Self, stream: Bool)
    /// p[i] = places[i] + first + i * step for the first n lanes.
    static func store(_ places: Places, first: Int, step: Int, _ p: UnsafeMutablePointer<Int64>, _ n: Int)
    /// p[places[i]]
    static func gather(_ p: UnsafePointer<Scalar>, _ places: Places) -> Self
    /// The integers in self, each times step.
    func places(step: Int) -> Places
    func floor() -> Self
    /// The nearest integer, halves to even.
    func nearest() -> Self
    func abs() -> Self
    func squareRoot() -> Self
    /// self with the sign of `sign`.
    func withSign(of sign: Self) -> Self
    /// The sum of the lanes in one fixed order: halves added pairwise.
    func sum() -> Scalar
    func max() -> Scalar

    // Pieces of the elementary functions (Math.swift)
    /// (k, r) with x = k ln 2 + r, |r| <= ln 2 / 2, k integral, |k| < 2^20.
    static func reduceExp(_ x: Self) -> (k: Self, r: Self)
    /// exp(r) - 1 for |r| <= ln 2 / 2.
    static func expm1Polynomial(_ r: Self) -> Self
    /// tanh(t) for 0 <= t < 0.625.
    static func tanhPolynomial(_ t: Self) -> Self
    /// self * 2^k for integral k, rounded once.
    func scaled(byPowerOfTwo k: Self) -> Self
    /// The same for -1100 <= k <= 0 (float: -160).
    func scaled(byPowerOfTwoUpTo1 k: Self) -> Self
    /// 2^k for integral -(bias - 1) <= k <= bias.
    static func powerOfTwo(_ k: Self) -> Self
    /// (e, m) with x = 2^e m, sqrt(1/2) <= m < sqrt(2); x positive and normal.
    static func splitLog(_ x: Self) -> (e: Self, m: Self)
    /// log(m) / s - 2 where s = (m - 1) / (m + 1), as a polynomial in s^2.
    static func logTail(_ s2: Self) -> Self
    static func erf(_ x: Self) -> Self
    /// The share of the normal distribution that lies beyond t, for 0 <= t <= normalLimit, where nothing is left.
    static func normalTail(_ t: Self) -> Self
}

extension Wide {
    /// Elements 0, 2, 4, ... and 1, 3, 5, ... of the 2 * lanes numbers at p.
    @inline(__always) static func loadPairs(_ p: UnsafePointer<Scalar>) -> (even: Self, odd: Self) {
        unzip(load(p), load(p + lanes))
    }
}

/// float and double: what a kernel is generic over.
protocol Real: BinaryFloatingPoint {
    associatedtype Vector: Wide where Vector.Scalar == Self
    associatedtype Tile: TileVector where Tile.Scalar == Self
    static var expOverflow: Self { get }
    static var expUnderflow: Self { get }
    static var smallestNormal: Self { get }
    /// tanh is 1 to the last bit from here on.
    static var tanhLimit: Self { get }
    static var normalLimit: Self { get }
    static var ln2High: Self { get }
    static var ln2Low: Self { get }
    static var transposeBlock: Int { get }
    /// dst[k * ldd + i] = src[i * lds + k] for transposeBlock rows of as many numbers.
    static func transpose(_ src: UnsafePointer<Self>, _ lds: Int, _ dst: UnsafeMutablePointer<Self>, _ ldd: Int)
    /// The same for half as many rows.
    static func transposeHalf(_ src: UnsafePointer<Self>, _ lds: Int, _ dst: UnsafeMutablePointer<Self>, _ ldd: Int)
}

/// A machine vector of the GEMM tile: as wide as the level's registers.
protocol TileVector: Lanes {
    /// Writes past the caches; p is aligned to the vector.
    func stream(_ p: UnsafeMutablePointer<Scalar>)
}

struct FloatTile: TileVector {
    var v: TileFloat
    @inline(__always) init(v: TileFloat) { self.v = v }
    @inline(__always) static var lanes: Int { TileFloat.scalarCount }
    @inline(__always) init(_ value: Float) { v = Level.splat(value) }
    @inline(__always) static func load(_ p: UnsafePointer<Float>) -> Self {
        Self(v: UnsafeRawPointer(p).loadUnaligned(as: TileFloat.self))
    }
    @inline(__always) func store(_ p: UnsafeMutablePointer<Float>) { UnsafeMutableRawPointer(p).storeBytes(of: v, as: TileFloat.self) }
    @inline(__always) func store(_ p: UnsafeMutablePointer<Float>, first n: Int) {
        for i in 0..<n { p[i] = v[i] }
    }
    @inline(__always) func stream(_ p: UnsafeMutablePointer<Float>) { Level.stream(p, v) }
    @inline(__always) static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self {
        Level.hasFMA ? Self(v: c.v.addingProduct(a.v, b.v)) : Self(v: a.v * b.v + c.v)
    }
    @inline(__always) static func + (_ a: Self, _ b: Self) -> Self { Self(v: a.v + b.v) }
}

struct DoubleTile: TileVector {
    var v: TileDouble
    @inline(__always) init(v: TileDouble) { self.v = v }
    @inline(__always) static var lanes: Int { TileDouble.scalarCount }
    @inline(__always) init(_ value: Double) { v = Level.splat(value) }
    @inline(__always) static func load(_ p: UnsafePointer<Double>) -> Self {
        Self(v: UnsafeRawPointer(p).loadUnaligned(as: TileDouble.self))
    }
    @inline(__always) func store(_ p: UnsafeMutablePointer<Double>) { UnsafeMutableRawPointer(p).storeBytes(of: v, as: TileDouble.self) }
    @inline(__always) func store(_ p: UnsafeMutablePointer<Double>, first n: Int) {
        for i in 0..<n { p[i] = v[i] }
    }
    @inline(__always) func stream(_ p: UnsafeMutablePointer<Double>) { Level.stream(p, v) }
    @inline(__always) static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self {
        Level.hasFMA ? Self(v: c.v.addingProduct(a.v, b.v)) : Self(v: a.v * b.v + c.v)
    }
    @inline(__always) static func + (_ a: Self, _ b: Self) -> Self { Self(v: a.v + b.v) }
}

extension Float: Real {
    typealias Vector = FloatVector
    typealias Tile = FloatTile
    @inline(__always) static var expOverflow: Float { 88.8 }
    @inline(__always) static var expUnderflow: Float { -104 }
    @inline(__always) static var smallestNormal: Float { 0x1p-126 }
    @inline(__always) static var tanhLimit: Float { 10 }
    @inline(__always) static var normalLimit: Float { 10.985 }
    @inline(__always) static var ln2High: Float { 0.693_359_375 }
    @inline(__always) static var ln2Low: Float { -2.121_944_4e-4 }
    @inline(__always) static var transposeBlock: Int { 8 }
    @inline(__always)
    static func transpose(_ src: UnsafePointer<Float>, _ lds: Int, _ dst: UnsafeMutablePointer<Float>, _ ldd: Int) {
        snn_transpose8_f32(src, Int64(lds), dst, Int64(ldd))
    }
    @inline(__always)
    static func transposeHalf(_ src: UnsafePointer<Float>, _ lds: Int, _ dst: UnsafeMutablePointer<Float>, _ ldd: Int) {
        snn_transpose4_f32(src, Int64(lds), dst, Int64(ldd))
    }
}

extension Double: Real {
    typealias Vector = DoubleVector
    typealias Tile = DoubleTile
    @inline(__always) static var expOverflow: Double { 709.9 }
    @inline(__always) static var expUnderflow: Double { -746 }
    @inline(__always) static var smallestNormal: Double { 0x1p-1022 }
    @inline(__always) static var tanhLimit: Double { 20 }
    @inline(__always) static var normalLimit: Double { 10 }
    @inline(__always) static var ln2High: Double { 0x1.62e42fee00000p-1 }
    @inline(__always) static var ln2Low: Double { 1.908_214_929_270_587_7e-10 }
    @inline(__always) static var transposeBlock: Int { 4 }
    @inline(__always)
    static func transpose(_ src: UnsafePointer<Double>, _ lds: Int, _ dst: UnsafeMutablePointer<Double>, _ ldd: Int) {
        snn_transpose4_f64(src, Int64(lds), dst, Int64(ldd))
    }
    @inline(__always)
    static func transposeHalf(_ src: UnsafePointer<Double>, _ lds: Int, _ dst: UnsafeMutablePointer<Double>, _ ldd: Int) {
        snn_transpose2_f64(src, Int64(lds), dst, Int64(ldd))
    }
}

struct FloatVector: Wide {
    typealias Mask = SIMD16<Int32>
    typealias Places = SIMD16<Int32>
    typealias PlaceNumber = Int32
    var v: SIMD16<Float>
    @inline(__always) init(v: SIMD16<Float>) { self.v = v }
    @inline(__always) static var lanes: Int { 16 }
    @inline(__always) init(_ value: Float) { v = SIMD16(repeating: value) }
    @inline(__always) static func load(_ p: UnsafePointer<Float>) -> Self {
        Self(v: UnsafeRawPointer(p).loadUnaligned(as: SIMD16<Float>.self))
    }
    @inline(__always) func store(_ p: UnsafeMutablePointer<Float>) {
        UnsafeMutableRawPointer(p).storeBytes(of: v, as: SIMD16<Float>.self)
    }
    @_transparent static func loadFirst(_ p: UnsafePointer<Float>, _ n: Int) -> Self { Level.loadFirst(p, n, Self.self) }
    @_transparent func storeFirst(_ p: UnsafeMutablePointer<Float>, _ n: Int) { Level.storeFirst(self, p, n) }
    @inline(__always) static func load(_ p: UnsafePointer<Float>, lanes: UInt64, _ fill: Float) -> Self {
        Self(v: snn_load_lanes_f32(p, lanes, fill))
    }
    @inline(__always) func store(_ p: UnsafeMutablePointer<Float>, first n: Int) { snn_store_first_f32(p, v, Int64(n)) }
    @inline(__always) static func load(_ p: UnsafePointer<Float>, stride: Int) -> Self { Self(v: snn_strided_f32(p, Int64(stride))) }
    @inline(__always) static func pick(_ a: Self, _ b: Self, _ places: SIMD16<Int32>) -> Self {
        Self(v: snn_pick_f32(a.v, b.v, places))
    }
    @inline(__always) static func unzip(_ a: Self, _ b: Self) -> (even: Self, odd: Self) {
        (Self(v: snn_even_f32(a.v, b.v)), Self(v: snn_odd_f32(a.v, b.v)))
    }
    @inline(__always) static func everyThird(_ a: Self, _ b: Self, _ c: Self) -> Self { Self(v: snn_third_f32(a.v, b.v, c.v)) }
    @inline(__always) static func quarters(_ j: Int, _ a: Self, _ b: Self, _ c: Self, _ d: Self) -> Self {
        Self(v: snn_quarters_f32(a.v, b.v, c.v, d.v, Int64(j)))
    }
    @inline(__always)
    static func loadQuarters(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafePointer<Float>, _ d: UnsafePointer<Float>
    ) -> Self { Self(v: snn_load_quarters_f32(a, b, c, d)) }
    @inline(__always) func storeQuarters(_ p: UnsafeMutablePointer<Float>, stride: Int, _ n: Int, count: Int) {
        snn_store_quarters_f32(p, Int64(stride), v, Int64(n), Int64(count))
    }
    @inline(__always) static func + (a: Self, b: Self) -> Self { Self(v: a.v + b.v) }
    @inline(__always) static func - (a: Self, b: Self) -> Self { Self(v: a.v - b.v) }
    @inline(__always) static func * (a: Self, b: Self) -> Self { Self(v: a.v * b.v) }
    @inline(__always) static func / (a: Self, b: Self) -> Self { Self(v: a.v / b.v) }
    @inline(__always) static prefix func - (a: Self) -> Self { Self(bits: a.bits ^ SIMD16(repeating: 0x8000_0000)) }
    @inline(__always) static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self {
        Level.hasFMA ? Self(v: c.v.addingProduct(a.v, b.v)) : Self(v: a.v * b.v + c.v)
    }
    @_transparent static func min(_ a: Self, _ b: Self) -> Self { Self(v: snn_min_f32(a.v, b.v)) }
    @_transparent static func max(_ a: Self, _ b: Self) -> Self { Self(v: snn_max_f32(a.v, b.v)) }
    @inline(__always) static func less(_ a: Self, _ b: Self) -> Mask { snn_less_f32(a.v, b.v) }
    @inline(__always) static func isNaN(_ a: Self) -> Mask { snn_is_nan_f32(a.v) }
    @inline(__always) static func atLeast(_ p: UnsafePointer<UInt32>, _ threshold: UInt32) -> Mask { snn_at_least_x16(p, threshold) }
    @_transparent static func larger(_ a: Self, _ b: Self) -> Self { select(isNaN(b), b, Self(v: snn_max_f32(a.v, b.v))) }
    @inline(__always) static func either(_ a: Mask, _ b: Mask) -> Mask { a | b }
    @inline(__always) static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self { Self(v: snn_select_f32(mask, a.v, b.v)) }
    @inline(__always) static func places(_ value: Int) -> Places { SIMD16<Int32>(repeating: Int32(truncatingIfNeeded: value)) }
    @inline(__always) static func loadPlaces(_ p: UnsafePointer<Float>) -> Places {
        UnsafeRawPointer(p).loadUnaligned(as: SIMD16<Int32>.self)
    }
    @inline(__always) static func storePlaces(_ places: Places, _ p: UnsafeMutablePointer<Float>) {
        UnsafeMutableRawPointer(p).storeBytes(of: places, as: SIMD16<Int32>.self)
    }
    @inline(__always) static func gather(_ p: UnsafePointer<Float>, _ places: Places) -> Self { Self(v: snn_gather_f32(p, places)) }
    @inline(__always) func places(step: Int) -> Places { snn_steps_f32(v, Int64(step)) }
    @inline(__always) func floor() -> Self { Self(v: snn_floor_f32(v)) }
    @inline(__always) func nearest() -> Self { Self(v: snn_nearest_f32(v)) }
    @inline(__always) static func select(_ mask: Mask, _ a: Places, _ b: Places) -> Places { snn_select_i32(mask, a, b) }
    @inline(__always) static func sum(_ a: Places, _ b: Places) -> Places { a &+ b }
    @inline(__always) static func pairPlaces(_ at: UnsafePointer<Int64>, _ first: Int, _ outside: inout SIMD8<Int64>) -> Places {
        outside = snn_or_i64(outside, snn_pair_excess16(at, Int64(first)))
        return snn_pair_places16(at, Int64(first))
    }
    @inline(__always) static func equal(_ places: Places, _ value: Int) -> Mask { snn_equal_i32(places, Int32(truncatingIfNeeded: value)) }
    @inline(__always) static func neither(_ a: Mask, _ b: Mask, _ some: inout SIMD8<Int64>) {
        some = snn_or_i64(some, snn_neither_i32(a, b))
    }
    @inline(__always) static func storeZipped(_ p: UnsafeMutablePointer<Float>, _ a: Self, _ b: Self) { snn_store_zipped_f32(p, a.v, b.v) }
    @inline(__always)
    static func storeZipped(_ p: UnsafeMutablePointer<Float>, _ a: Self, _ b: Self, _ c: Self, _ d: Self, stream: Bool) {
        snn_store_zipped4_f32(p, a.v, b.v, c.v, d.v, stream ? 1 : 0)
    }
    @inline(__always)
    static func store(_ places: Places, first: Int, step: Int, _ p: UnsafeMutablePointer<Int64>, _ n: Int) {
        snn_store_places16(p, places, Int64(first), Int64(step), Int64(n))
    }
    @inline(__always) var bits: SIMD16<UInt32> { unsafeBitCast(v, to: SIMD16<UInt32>.self) }
    @inline(__always) init(bits: SIMD16<UInt32>) { v = unsafeBitCast(bits, to: SIMD16<Float>.self) }
    @inline(__always) func abs() -> Self { Self(bits: bits & SIMD16(repeating: 0x7fff_ffff)) }
    @inline(__always) func squareRoot() -> Self { Self(v: snn_sqrt_f32(v)) }
    @inline(__always) func withSign(of sign: Self) -> Self {
        Self(bits: (bits & SIMD16(repeating: 0x7fff_ffff)) | (sign.bits & SIMD16(repeating: 0x8000_0000)))
    }
    @inline(__always) func sum() -> Float { snn_sum_f32(v) }
    @inline(__always) func max() -> Float { snn_largest_f32(v) }
    /// Adding 1.5 * 2^23 leaves round(t) in the low bits of the sum.
    @inline(__always) static func reduceExp(_ x: Self) -> (k: Self, r: Self) {
        let magic = Self(12_582_912)
        let k = fma(x, Self(1.442_695_04), magic) - magic
        // ln 2 = high + low; high has 9 bits, so that k * high is exact.
        return (k, fma(k, Self(2.121_944_4e-4), fma(k, Self(-0.693_359_375), x)))
    }
    /// r + r^2 q(r), |r| <= ln 2 / 2: q by minimax, 2^-28 of 1 + r.
    @inline(__always) static func expm1Polynomial(_ r: Self) -> Self {
        var p = Self(0.00139505498)
        p = fma(p, r, Self(0.00836892333))
        p = fma(p, r, Self(0.0416662060))
        p = fma(p, r, Self(0.166665182))
        p = fma(p, r, Self(0.5))
        return fma(p, r * r, r)
    }
    /// t + t^3 q(t^2): q by minimax, 2^-27 of the result.
    @inline(__always) static func tanhPolynomial(_ t: Self) -> Self {
        let z = t * t
        var p = Self(-0.00571704516)
        p = fma(p, z, Self(0.020650588))
        p = fma(p, z, Self(-0.0537434965))
        p = fma(p, z, Self(0.133314908))
        p = fma(p, z, Self(-0.333332837))
        return fma(p * z, t, t)
    }
    @_transparent func scaled(byPowerOfTwo k: Self) -> Self { Level.scale(self, k) }
    @_transparent func scaled(byPowerOfTwoUpTo1 k: Self) -> Self { Level.scaleDown(self, k) }
    @inline(__always) static func powerOfTwo(_ k: Self) -> Self {
        let biased = (k + Self(12_582_912 + 127)).bits
        return Self(bits: biased &<< SIMD16(repeating: 23))
    }
    @inline(__always) static func splitLog(_ x: Self) -> (e: Self, m: Self) {
        // Adding the distance from sqrt(1/2) to 1 in bits moves the cut between exponents to sqrt(1/2).
        let moved = x.bits &+ SIMD16(repeating: 0x3f80_0000 - 0x3f35_04f3)
        let exponent = moved &>> SIMD16(repeating: 23)
        let m = (moved & SIMD16(repeating: 0x007f_ffff)) &+ SIMD16(repeating: 0x3f35_04f3)
        // exponent is below 2^9: put into the low bits of 2^23 it becomes a float without a conversion instruction.
        let e = Self(bits: exponent | SIMD16(repeating: 0x4b00_0000)) - Self(8_388_608 + 127)
        return (e, Self(bits: m))
    }
    @inline(__always) static func logTail(_ z: Self) -> Self {
        var p = Self(2.0 / 11)
        p = fma(p, z, Self(2.0 / 9))
        p = fma(p, z, Self(2.0 / 7))
        p = fma(p, z, Self(2.0 / 5))
        return fma(p, z, Self(2.0 / 3)) * z
    }
    /// Goals: below 1.5 ulp, odd, erf(+-inf) = +-1, NaN to NaN. Below 0.93 an odd polynomial, above 1 - exp(polynomial in |x|).
    #if SMALL
        @inline(never)
    #else
        @_transparent
    #endif
    static func erf(_ x: Self) -> Self {
        let t = x.abs()
        let s = x * x
        var r = fma(Self(-1.728_534_70e-5), t, Self(3.831_971_26e-4))
        let u = fma(Self(-3.883_964_38e-3), t, Self(2.425_462_19e-2))
        r = fma(r, s, u)
        r = fma(r, t, Self(-1.067_778_77e-1))
        r = fma(r, t, Self(-6.348_466_87e-1))
        r = fma(r, t, Self(-1.287_175_12e-1))
        r = fma(r, t, -t)
        // beyond 4 the result is 1 to the last bit; the cut keeps infinities out of the polynomial
        r = select(less(Self(4), t), Self(-30), r)
        let far = (Self(1) - exp(r)).withSign(of: x)
        var p = Self(-5.967_617_03e-4)
        p = fma(p, s, Self(4.991_194_23e-3))
        p = fma(p, s, Self(-2.676_813_49e-2))
        p = fma(p, s, Self(1.128_199_25e-1))
        p = fma(p, s, Self(-3.761_253_36e-1))
        p = fma(p, s, Self(1.283_791_66e-1))
        let near = fma(p, x, x)
        return select(less(Self(0.927_734_375), t), far, near)
    }
    /// 2^q / 2 with q = log2(2 Φ(-t)) as a polynomial: 2^-28 absolute, 2^-18 of the result up to 5.6; beyond it falls faster than what it
    /// stands for, to 2^-127 at the limit, where the exponent's bits are 0. 2^q as 2^k and a polynomial in q - k, 2^-28 of it.
    #if SMALL
        @inline(never)
    #else
        @_transparent
    #endif
    static func normalTail(_ t: Self) -> Self {
        // Even and odd powers apart, for chains half as long; not the first one, whose rounding counts.
        let t2 = t * t
        var even = fma(Self(-3.495_164e-8), t2, Self(-1.218_191_1e-5)), odd = fma(Self(9.940_434e-7), t2, Self(8.215_246e-5))
        even = fma(even, t2, Self(-2.945_661_8e-4))
        odd = fma(odd, t2, Self(2.156_929_4e-5))
        even = fma(even, t2, Self(6.930_927_7e-3))
        odd = fma(odd, t2, Self(-5.243_654_5e-2))
        even = fma(even, t2, Self(-4.592_207_7e-1))
        let q = fma(fma(odd, t, even), t, Self(-1.151_104_3)) * t
        let magic = Self(12_582_912 + 127)
        let biased = q + magic
        let r = q - (biased - magic)
        var p = fma(Self(7.664_639e-5), r, Self(6.695_485e-4))
        p = fma(p, r, Self(4.809_249_7e-3))
        p = fma(p, r, Self(2.775_179_8e-2))
        p = fma(p, r, Self(1.201_132_4e-1))
        p = fma(p, r, Self(3.465_736e-1))
        p = fma(p, r, Self(0.5))
        return p * Self(bits: biased.bits &<< SIMD16(repeating: 23))
    }
}

struct DoubleVector: Wide {
    typealias Mask = SIMD8<Int64>
    typealias Places = SIMD8<Int64>
    typealias PlaceNumber = Int64
    var v: SIMD8<Double>
    @inline(__always) init(v: SIMD8<Double>) { self.v = v }
    @inline(__always) static var lanes: Int { 8 }
    @inline(__always) init(_ value: Double) { v = SIMD8(repeating: value) }
    @inline(__always) static func load(_ p: UnsafePointer<Double>) -> Self {
        Self(v: UnsafeRawPointer(p).loadUnaligned(as: SIMD8<Double>.self))
    }
    @inline(__always) func store(_ p: UnsafeMutablePointer<Double>) {
        UnsafeMutableRawPointer(p).storeBytes(of: v, as: SIMD8<Double>.self)
    }
    @_transparent static func loadFirst(_ p: UnsafePointer<Double>, _ n: Int) -> Self { Level.loadFirst(p, n, Self.self) }
    @_transparent func storeFirst(_ p: UnsafeMutablePointer<Double>, _ n: Int) { Level.storeFirst(self, p, n) }
    @inline(__always) static func load(_ p: UnsafePointer<Double>, lanes: UInt64, _ fill: Double) -> Self {
        Self(v: snn_load_lanes_f64(p, lanes, fill))
    }
    @inline(__always) func store(_ p: UnsafeMutablePointer<Double>, first n: Int) { snn_store_first_f64(p, v, Int64(n)) }
    @inline(__always) static func load(_ p: UnsafePointer<Double>, stride: Int) -> Self { Self(v: snn_strided_f64(p, Int64(stride))) }
    @inline(__always) static func pick(_ a: Self, _ b: Self, _ places: SIMD16<Int32>) -> Self {
        Self(v: snn_pick_f64(a.v, b.v, places))
    }
    @inline(__always) static func unzip(_ a: Self, _ b: Self) -> (even: Self, odd: Self) {
        (Self(v: snn_even_f64(a.v, b.v)), Self(v: snn_odd_f64(a.v, b.v)))
    }
    @inline(__always) static func everyThird(_ a: Self, _ b: Self, _ c: Self) -> Self { Self(v: snn_third_f64(a.v, b.v, c.v)) }
    @inline(__always) static func quarters(_ j: Int, _ a: Self, _ b: Self, _ c: Self, _ d: Self) -> Self {
        Self(v: snn_quarters_f64(a.v, b.v, c.v, d.v, Int64(j)))
    }
    @inline(__always)
    static func loadQuarters(
        _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ c: UnsafePointer<Double>, _ d: UnsafePointer<Double>
    ) -> Self { Self(v: snn_load_quarters_f64(a, b, c, d)) }
    @inline(__always) func storeQuarters(_ p: UnsafeMutablePointer<Double>, stride: Int, _ n: Int, count: Int) {
        snn_store_quarters_f64(p, Int64(stride), v, Int64(n), Int64(count))
    }
    @inline(__always) static func + (a: Self, b: Self) -> Self { Self(v: a.v + b.v) }
    @inline(__always) static func - (a: Self, b: Self) -> Self { Self(v: a.v - b.v) }
    @inline(__always) static func * (a: Self, b: Self) -> Self { Self(v: a.v * b.v) }
    @inline(__always) static func / (a: Self, b: Self) -> Self { Self(v: a.v / b.v) }
    @inline(__always) static prefix func - (a: Self) -> Self { Self(bits: a.bits ^ SIMD8(repeating: 0x8000_0000_0000_0000)) }
    @inline(__always) static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self {
        Level.hasFMA ? Self(v: c.v.addingProduct(a.v, b.v)) : Self(v: a.v * b.v + c.v)
    }
    @_transparent static func min(_ a: Self, _ b: Self) -> Self { Self(v: snn_min_f64(a.v, b.v)) }
    @_transparent static func max(_ a: Self, _ b: Self) -> Self { Self(v: snn_max_f64(a.v, b.v)) }
    @inline(__always) static func less(_ a: Self, _ b: Self) -> Mask { snn_less_f64(a.v, b.v) }
    @inline(__always) static func isNaN(_ a: Self) -> Mask { snn_is_nan_f64(a.v) }
    @inline(__always) static func atLeast(_ p: UnsafePointer<UInt32>, _ threshold: UInt32) -> Mask { snn_at_least_x8(p, threshold) }
    @_transparent static func larger(_ a: Self, _ b: Self) -> Self { select(isNaN(b), b, Self(v: snn_max_f64(a.v, b.v))) }
    @inline(__always) static func either(_ a: Mask, _ b: Mask) -> Mask { a | b }
    @inline(__always) static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self { Self(v: snn_select_f64(mask, a.v, b.v)) }
    @inline(__always) static func places(_ value: Int) -> Places { SIMD8<Int64>(repeating: Int64(truncatingIfNeeded: value)) }
    @inline(__always) static func loadPlaces(_ p: UnsafePointer<Double>) -> Places {
        UnsafeRawPointer(p).loadUnaligned(as: SIMD8<Int64>.self)
    }
    @inline(__always) static func storePlaces(_ places: Places, _ p: UnsafeMutablePointer<Double>) {
        UnsafeMutableRawPointer(p).storeBytes(of: places, as: SIMD8<Int64>.self)
    }
    @inline(__always) static func gather(_ p: UnsafePointer<Double>, _ places: Places) -> Self { Self(v: snn_gather_f64(p, places)) }
    @inline(__always) func places(step: Int) -> Places { snn_steps_f64(v, Int64(step)) }
    @inline(__always) func floor() -> Self { Self(v: snn_floor_f64(v)) }
    @inline(__always) func nearest() -> Self { Self(v: snn_nearest_f64(v)) }
    @inline(__always) static func select(_ mask: Mask, _ a: Places, _ b: Places) -> Places { snn_select_i64(mask, a, b) }
    @inline(__always) static func sum(_ a: Places, _ b: Places) -> Places { a &+ b }
    @inline(__always) static func pairPlaces(_ at: UnsafePointer<Int64>, _ first: Int, _ outside: inout SIMD8<Int64>) -> Places {
        outside = snn_or_i64(outside, snn_pair_excess8(at, Int64(first)))
        return snn_pair_places8(at, Int64(first))
    }
    @inline(__always) static func equal(_ places: Places, _ value: Int) -> Mask { snn_equal_i64(places, Int64(value)) }
    @inline(__always) static func neither(_ a: Mask, _ b: Mask, _ some: inout SIMD8<Int64>) {
        some = snn_or_i64(some, snn_neither_i64(a, b))
    }
    @inline(__always) static func storeZipped(_ p: UnsafeMutablePointer<Double>, _ a: Self, _ b: Self) { snn_store_zipped_f64(p, a.v, b.v) }
    @inline(__always)
    static func storeZipped(_ p: UnsafeMutablePointer<Double>, _ a: Self, _ b: Self, _ c: Self, _ d: Self, stream: Bool) {
        snn_store_zipped4_f64(p, a.v, b.v, c.v, d.v, stream ? 1 : 0)
    }
    @inline(__always)
    static func store(_ places: Places, first: Int, step: Int, _ p: UnsafeMutablePointer<Int64>, _ n: Int) {
        snn_store_places8(p, places, Int64(first), Int64(step), Int64(n))
    }
    @inline(__always) var bits: SIMD8<UInt64> { unsafeBitCast(v, to: SIMD8<UInt64>.self) }
    @inline(__always) init(bits: SIMD8<UInt64>) { v = unsafeBitCast(bits, to: SIMD8<Double>.self) }
    @inline(__always) func abs() -> Self { Self(bits: bits & SIMD8(repeating: 0x7fff_ffff_ffff_ffff)) }
    @inline(__always) func squareRoot() -> Self { Self(v: snn_sqrt_f64(v)) }
    @inline(__always) func withSign(of sign: Self) -> Self {
        Self(bits: (bits & SIMD8(repeating: 0x7fff_ffff_ffff_ffff)) | (sign.bits & SIMD8(repeating: 0x8000_0000_0000_0000)))
    }
    @inline(__always) func sum() -> Double { snn_sum_f64(v) }
    @inline(__always) func max() -> Double { snn_largest_f64(v) }
    /// Adding 1.5 * 2^52 leaves round(t) in the low bits of the sum.
    @inline(__always) static func reduceExp(_ x: Self) -> (k: Self, r: Self) {
        let magic = Self(6_755_399_441_055_744)
        let k = fma(x, Self(1.442_695_040_888_963_4), magic) - magic
        // ln 2 = high + low; high has 32 bits, so that k * high is exact.
        return (k, fma(k, Self(-1.908_214_929_270_587_7e-10), fma(k, Self(-0x1.62e42fee00000p-1), x)))
    }
    /// r + r^2 q(r), |r| <= ln 2 / 2: q through Chebyshev nodes, 2^-61 of 1 + r.
    @inline(__always) static func expm1Polynomial(_ r: Self) -> Self {
        var p = Self(2.0914718026087793e-09)
        p = fma(p, r, Self(2.510526049680846e-08))
        p = fma(p, r, Self(2.7557273568456466e-07))
        p = fma(p, r, Self(2.755725529566513e-06))
        p = fma(p, r, Self(2.480158732560662e-05))
        p = fma(p, r, Self(0.00019841269874903077))
        p = fma(p, r, Self(0.001388888888888373))
        p = fma(p, r, Self(0.008333333333326112))
        p = fma(p, r, Self(0.04166666666666667))
        p = fma(p, r, Self(0.1666666666666667))
        p = fma(p, r, Self(0.5))
        return fma(p, r * r, r)
    }
    /// t + t^3 q(t^2): q through Chebyshev nodes, 2^-57 of the result.
    @inline(__always) static func tanhPolynomial(_ t: Self) -> Self {
        let z = t * t
        var p = Self(6.485163482777922e-06)
        p = fma(p, z, Self(-3.120110142576322e-05))
        p = fma(p, z, Self(9.257116129553425e-05))
        p = fma(p, z, Self(-0.00023759064960553755))
        p = fma(p, z, Self(0.0005896606577756978))
        p = fma(p, z, Self(-0.001455775412047804))
        p = fma(p, z, Self(0.0035921217511549622))
        p = fma(p, z, Self(-0.008863235103240878))
        p = fma(p, z, Self(0.021869488519008305))
        p = fma(p, z, Self(-0.05396825396789699))
        p = fma(p, z, Self(0.13333333333333042))
        p = fma(p, z, Self(-0.3333333333333333))
        return fma(p * z, t, t)
    }
    @_transparent func scaled(byPowerOfTwo k: Self) -> Self { Level.scale(self, k) }
    @_transparent func scaled(byPowerOfTwoUpTo1 k: Self) -> Self { Level.scaleDown(self, k) }
    @inline(__always) static func powerOfTwo(_ k: Self) -> Self {
        let biased = (k + Self(6_755_399_441_055_744 + 1023)).bits
        return Self(bits: biased &<< SIMD8(repeating: 52))
    }
    @inline(__always) static func splitLog(_ x: Self) -> (e: Self, m: Self) {
        let moved = x.bits &+ SIMD8(repeating: 0x3ff0_0000_0000_0000 - 0x3fe6_a09e_667f_3bcd)
        let exponent = moved &>> SIMD8(repeating: 52)
        let m = (moved & SIMD8(repeating: 0x000f_ffff_ffff_ffff)) &+ SIMD8(repeating: 0x3fe6_a09e_667f_3bcd)
        let e = Self(bits: exponent | SIMD8(repeating: 0x4330_0000_0000_0000)) - Self(4_503_599_627_370_496 + 1023)
        return (e, Self(bits: m))
    }
    @inline(__always) static func logTail(_ z: Self) -> Self {
        var p = Self(2.0 / 23)
        p = fma(p, z, Self(2.0 / 21))
        p = fma(p, z, Self(2.0 / 19))
        p = fma(p, z, Self(2.0 / 17))
        p = fma(p, z, Self(2.0 / 15))
        p = fma(p, z, Self(2.0 / 13))
        p = fma(p, z, Self(2.0 / 11))
        p = fma(p, z, Self(2.0 / 9))
        p = fma(p, z, Self(2.0 / 7))
        p = fma(p, z, Self(2.0 / 5))
        return fma(p, z, Self(2.0 / 3)) * z
    }
    /// Below 1 an odd polynomial (Chebyshev fit, 2^-74), between 1 and 6 as 1 - exp(-x^2) erfcx(x) with erfcx a fit of degree 27 in
    /// (|x| - 3.5) / 2.5 (7e-17 absolute), beyond 6 the last bit of 1.
    #if SMALL
        @inline(never)
    #else
        @_transparent
    #endif
    static func erf(_ x: Self) -> Self {
        let t = select(less(Self(6), x.abs()), Self(6), x.abs())
        let u = (t - Self(3.5)) * Self(0.4)
        var q = Self(-7.9160935625182881e-9)
        q = fma(q, u, Self(1.9063210311289371e-8))
        q = fma(q, u, Self(9.9294135979667639e-9))
        q = fma(q, u, Self(-2.5945752556520797e-8))
        q = fma(q, u, Self(-1.0640033205171776e-7))
        q = fma(q, u, Self(2.4771408424338747e-7))
        q = fma(q, u, Self(-2.5310271211169991e-7))
        q = fma(q, u, Self(5.4074148091172425e-7))
        q = fma(q, u, Self(-1.5189296623016593e-6))
        q = fma(q, u, Self(3.2634714812408234e-6))
        q = fma(q, u, Self(-6.6090363165306527e-6))
        q = fma(q, u, Self(1.3750948340634111e-5))
        q = fma(q, u, Self(-2.8389790233227661e-5))
        q = fma(q, u, Self(5.7449976804670196e-5))
        q = fma(q, u, Self(-0.00011443864702934741))
        q = fma(q, u, Self(0.00022452148536693674))
        q = fma(q, u, Self(-0.00043336244180997289))
        q = fma(q, u, Self(0.00082225690777197568))
        q = fma(q, u, Self(-0.0015325156194379859))
        q = fma(q, u, Self(0.0028033259780991266))
        q = fma(q, u, Self(-0.005028067975499))
        q = fma(q, u, Self(0.0088334239321002572))
        q = fma(q, u, Self(-0.015182511545354646))
        q = fma(q, u, Self(0.025495559643090022))
        q = fma(q, u, Self(-0.041766788119435953))
        q = fma(q, u, Self(0.066632082453200604))
        q = fma(q, u, Self(-0.10330894458313122))
        q = fma(q, u, Self(0.15529365560889427))
        let far = (Self(1) - exp(-(t * t)) * q).withSign(of: x)
        let s = x * x
        var p = Self(2.8067128195611262e-13)
        p = fma(p, s, Self(-6.1967364287877e-12))
        p = fma(p, s, Self(9.3237235181530266e-11))
        p = fma(p, s, Self(-1.2277734486795524e-9))
        p = fma(p, s, Self(1.4806027146128752e-8))
        p = fma(p, s, Self(-1.6365768648832072e-7))
        p = fma(p, s, Self(1.6462110782018636e-6))
        p = fma(p, s, Self(-1.4925650236967502e-5))
        p = fma(p, s, Self(0.00012055332978879484))
        p = fma(p, s, Self(-0.00085483270234030006))
        p = fma(p, s, Self(0.005223977625441674))
        p = fma(p, s, Self(-0.026866170645131219))
        p = fma(p, s, Self(0.11283791670955126))
        p = fma(p, s, Self(-0.37612638903183752))
        p = fma(p, s, Self(1.1283791670955126))
        return select(isNaN(x), x, select(less(x.abs(), Self(1)), p * x, far))
    }
    @_transparent static func normalTail(_ t: Self) -> Self { Self(0.5) * (one - erf(t * Self(0.707_106_781_186_547_524_4))) }
}
