// The avx512 level: vector types of the GEMM tile, its height, and the entry through which the frame gets the level's kernels.
import CSwiftNN

typealias TileFloat = SIMD16<Float>
typealias TileDouble = SIMD8<Double>

enum Level {
    /// Rows of the GEMM tile. Twice this many accumulators, two vectors of B and one of A have to fit the registers.
    @inline(__always) static var mr: Int { 12 }
    /// Whether tiles of eight rows and three vectors fit the registers, and are ahead.
    @inline(__always) static var hasWideTile: Bool { true }
    /// The tile of the recurrent layers: virtual vectors of a strip and rows that it takes at once.
    @inline(__always) static var stripVectors: Int { 4 }
    @inline(__always) static var stripRows: Int { 6 }
    /// Vectors of a strip that one row alone takes at once.
    @inline(__always) static var rowVectors: Int { 4 }
    /// Whether the machine has a fused multiply-add (without it addingProduct is a library call for each lane).
    @inline(__always) static var hasFMA: Bool { true }
    /// Whether loading some lanes of a vector costs no more than loading all.
    @inline(__always) static var masksLoads: Bool { true }
    @_transparent static func splat(_ v: Float) -> TileFloat { snn_splat16_f32(v) }
    @_transparent static func splat(_ v: Double) -> TileDouble { snn_splat8_f64(v) }
    /// Writes a tile's vector past the caches.
    @_transparent static func stream<V: SIMD>(_ p: UnsafeMutableRawPointer, _ v: V) {
        snn_stream64(p, unsafeBitCast(v, to: SIMD8<Int64>.self))
    }
    /// Pointers at which nothing is read before the accumulators of a wide tile are computed.
    @_transparent static func hide<V: TileVector>(_ p: snn_three_pointers, behind v: Accumulators<V>) -> snn_three_pointers {
        @inline(__always) func bits(_ v: V) -> SIMD8<Int64> { unsafeBitCast(v, to: SIMD8<Int64>.self) }
        return snn_hide_behind64(
            p, bits(v.0), bits(v.1), bits(v.2), bits(v.3), bits(v.4), bits(v.5), bits(v.6), bits(v.7), bits(v.8), bits(v.9), bits(v.10),
            bits(v.11), bits(v.12), bits(v.13), bits(v.14), bits(v.15), bits(v.16), bits(v.17), bits(v.18), bits(v.19), bits(v.20),
            bits(v.21), bits(v.22), bits(v.23))
    }
    /// v * 2^k for integral k.
    @_transparent static func scale(_ v: FloatVector, _ k: FloatVector) -> FloatVector { FloatVector(v: snn_scalef_f32(v.v, k.v)) }
    @_transparent static func scale(_ v: DoubleVector, _ k: DoubleVector) -> DoubleVector { DoubleVector(v: snn_scalef_f64(v.v, k.v)) }
    @_transparent static func scaleDown(_ v: FloatVector, _ k: FloatVector) -> FloatVector { scale(v, k) }
    @_transparent static func scaleDown(_ v: DoubleVector, _ k: DoubleVector) -> DoubleVector { scale(v, k) }
    /// The first n lanes of memory; zeros in the others.
    @_transparent static func loadFirst(_ p: UnsafePointer<Float>, _ n: Int, _: FloatVector.Type) -> FloatVector {
        FloatVector(v: snn_load_partial_f32(p, Int64(n)))
    }
    @_transparent static func loadFirst(_ p: UnsafePointer<Double>, _ n: Int, _: DoubleVector.Type) -> DoubleVector {
        DoubleVector(v: snn_load_partial_f64(p, Int64(n)))
    }
    @_transparent static func storeFirst(_ v: FloatVector, _ p: UnsafeMutablePointer<Float>, _ n: Int) {
        snn_store_partial_f32(p, v.v, Int64(n))
    }
    @_transparent static func storeFirst(_ v: DoubleVector, _ p: UnsafeMutablePointer<Double>, _ n: Int) {
        snn_store_partial_f64(p, v.v, Int64(n))
    }
}

@_cdecl("snn_kernels_avx512") @implementation
public func snn_kernels_avx512(_ f32: UnsafeMutablePointer<snn_kernels>!, _ f64: UnsafeMutablePointer<snn_kernels>!) {
    fillKernelTables(f32, f64)
}
