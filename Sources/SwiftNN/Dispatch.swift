// Which instruction set level runs: chosen once, reached through tables of C functions.
import CSwiftNN

enum Dispatch {
    nonisolated(unsafe) private static var state: Int64 = 0
    nonisolated(unsafe) fileprivate static var level: StaticString = "base"

    @inline(__always)
    static func initialize() throws(Failure) {
        if snn_atomic_load(&state) != 1 { try choose() }
    }

    private static func choose() throws(Failure) {
        let available = snn_detect_cpu()
        var wanted: Int64 = available & 4 != 0 ? 4 : (available & 2 != 0 ? 2 : 1)
        if let forced = getenv("SWIFTNN_ISA"), forced[0] != 0 {
            if strcmp(forced, "base") == 0 {
                wanted = 1
            } else if strcmp(forced, "avx2") == 0 {
                wanted = 2
            } else if strcmp(forced, "avx512") == 0 {
                wanted = 4
            } else {
                throw Message("SWIFTNN_ISA is '").outside(forced).text(
                    "'; it has to be base, avx2 or avx512, or unset to let swiftnn choose"
                )
                .valueError
            }
            if wanted & available == 0 {
                throw Message("SWIFTNN_ISA asks for ").outside(forced).text(", which this CPU does not have; it has ")
                    .text(available & 2 != 0 ? "base and avx2" : "base only").text(". Unset SWIFTNN_ISA or choose one of these.").valueError
            }
        }
        snn_pool_lock()
        defer { snn_pool_unlock() }
        if snn_atomic_load(&state) == 1 { return }
        switch wanted {
        case 4:
            snn_kernels_avx512(snn_kernel_table(0), snn_kernel_table(1))
            level = "avx512"
        case 2:
            snn_kernels_avx2(snn_kernel_table(0), snn_kernel_table(1))
            level = "avx2"
        default:
            snn_kernels_base(snn_kernel_table(0), snn_kernel_table(1))
            level = "base"
        }
        snn_atomic_store(&state, 1)
    }
}

/// Float and Double: what operations are generic over.
protocol Element: BinaryFloatingPoint {
    /// The level's kernels: filled at the first call of any operation and never changed after it.
    static var kernels: UnsafeMutablePointer<snn_kernels> { get }
    static var dtype: Int32 { get }
}
extension Float: Element {
    @inline(__always) static var kernels: UnsafeMutablePointer<snn_kernels> { snn_kernel_table(0).unsafelyUnwrapped }
    @inline(__always) static var dtype: Int32 { Int32(SNN_FLOAT32) }
}
extension Double: Element {
    @inline(__always) static var kernels: UnsafeMutablePointer<snn_kernels> { snn_kernel_table(1).unsafelyUnwrapped }
    @inline(__always) static var dtype: Int32 { Int32(SNN_FLOAT64) }
}

@_cdecl("snn_initialize") @implementation
public func snn_initialize() -> snn_status { operation { () throws(Failure) in } }

@_cdecl("snn_isa") @implementation
public func snn_isa() -> UnsafePointer<CChar>! {
    _ = snn_initialize()
    return UnsafeRawPointer(Dispatch.level.utf8Start).assumingMemoryBound(to: CChar.self)
}

@_cdecl("snn_isa_available") @implementation
public func snn_isa_available() -> Int64 { snn_detect_cpu() }

@_cdecl("snn_multiply_adds") @implementation
public func snn_multiply_adds(_ dtype: Int32, _ rounds: Int64) -> Double {
    guard snn_initialize() == SNN_OK, dtype == Int32(SNN_FLOAT32) || dtype == Int32(SNN_FLOAT64), rounds > 0 else { return 0 }
    let kernels = snn_kernel_table(dtype).unsafelyUnwrapped
    _ = kernels.pointee.multiply_adds(rounds)
    return 2 * 12 * Double(kernels.pointee.nr / 2) * Double(rounds)
}
