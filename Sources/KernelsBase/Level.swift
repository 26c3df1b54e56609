// The base level: vector types of the GEMM tile, its height, and the entry through which the frame gets the level's kernels.
import CSwiftNN

typealias TileFloat = SIMD4<Float>
typealias TileDouble = SIMD2<Double>

enum Level {
    /// Rows of the GEMM tile. Twice this many accumulators, two vectors of B and one of A have to fit the registers.
    @inline(__always) static var mr: Int { 4 }
    /// Whether tiles of eight rows and three vectors fit the registers, and are ahead.
    @inline(__always) static var hasWideTile: Bool { false }
    /// The tile of the recurrent layers: virtual vectors of a strip and rows that it takes at once.
    @inline(__always) static var stripVectors: Int { 1 }
    @inline(__always) static var stripRows: Int { 3 }
    /// Vectors of a strip that one row alone takes at once.
    @inline(__always) static var rowVectors: Int { 1 }
    /// Whether the machine has a fused multiply-add (without it addingProduct is a library call for each lane).
    @inline(__always) static var hasFMA: Bool { false }
    /// Whether loading some lanes of a vector costs no more than loading all.
    @inline(__always) static var masksLoads: Bool { false }
    @_transparent static func splat(_ v: Float) -> TileFloat { snn_splat4_f32(v) }
    @_transparent static func splat(_ v: Double) -> TileDouble { snn_splat2_f64(v) }
    /// Writes a tile's vector past the caches.
    @_transparent static func stream<V: SIMD>(_ p: UnsafeMutableRawPointer, _ v: V) {
        snn_stream16(p, unsafeBitCast(v, to: SIMD2<Int64>.self))
    }
    /// The same pointers: without wide tiles there is nothing to keep in order.
    @_transparent static func hide<T>(_ p: snn_three_pointers, behind _: T) -> snn_three_pointers { p }
    /// v * 2^k for integral k, as two factors, so that results below the normal range round once.
    @_transparent static func scale<V: Wide>(_ v: V, _ k: V) -> V {
        let (half, rest) = V.halves(k)
        return v * V.powerOfTwo(half) * V.powerOfTwo(rest)
    }
    /// The same for k <= 0 as far as exp needs it: k + 64 is within the normal range.
    @_transparent static func scaleDown<V: Wide>(_ v: V, _ k: V) -> V { v * V.powerOfTwo(k + V(64)) * V(0x1p-64) }
    /// The first n lanes of memory; zeros in the others.
    @inline(__always) static func loadFirst<V: Wide>(_ p: UnsafePointer<V.Scalar>, _ n: Int, _: V.Type) -> V {
        withPadding(0, p, n, V.self)
    }
    @inline(__always) static func storeFirst<V: Wide>(_ v: V, _ p: UnsafeMutablePointer<V.Scalar>, _ n: Int) {
        storePartial(v, p, n)
    }
}

@_cdecl("snn_kernels_base") @implementation
public func snn_kernels_base(_ f32: UnsafeMutablePointer<snn_kernels>!, _ f64: UnsafeMutablePointer<snn_kernels>!) {
    fillKernelTables(f32, f64)
}
