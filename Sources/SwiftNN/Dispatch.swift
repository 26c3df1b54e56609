// Which instruction set level runs: chosen once, reached through tables of C functions.
import CSwiftNN

enum Dispatch {
    nonisolated(unsafe) private static var state: Int64 = 0
    nonisolated(unsafe) fileprivate static var level: StaticString = "base"

    @inline(__always)
    static func initialize() throws(Failure) {
        if snn_atomic_load(&state) != 1 { try choose() }
    }

    /// The bit of a level's name in snn_isa_available(); 0 for other words.
    private static func bit(_ name: UnsafePointer<CChar>) -> Int64 {
        #if arch(arm64)
            return strcmp(name, "neon") == 0 ? 8 : 0
        #else
            return strcmp(name, "base") == 0 ? 1 : strcmp(name, "avx2") == 0 ? 2 : strcmp(name, "avx512") == 0 ? 4 : 0
        #endif
    }

    private static func choose() throws(Failure) {
        let available = snn_detect_cpu()
        #if arch(arm64)
            var wanted: Int64 = 8
            let names: StaticString = "neon"
        #else
            var wanted: Int64 = available & 4 != 0 ? 4 : (available & 2 != 0 ? 2 : 1)
            let names: StaticString = "base, avx2 or avx512"
        #endif
        if let forced = getenv("SWIFTNN_ISA"), forced[0] != 0 {
            wanted = bit(forced)
            guard wanted != 0 else {
                throw Message("SWIFTNN_ISA is '").outside(forced).text("'; it has to be ").text(names)
                    .text(", or unset to let swiftnn choose").valueError
            }
            if wanted & available == 0 {
                throw Message("SWIFTNN_ISA asks for ").outside(forced).text(", which this CPU does not have; it has ")
                    .text(available & 2 != 0 ? "base and avx2" : "base only").text(". Unset SWIFTNN_ISA or choose one of these.").valueError
            }
        }
        snn_pool_lock()
        defer { snn_pool_unlock() }
        if snn_atomic_load(&state) == 1 { return }
        #if arch(arm64)
            snn_kernels_neon(snn_kernel_table(0), snn_kernel_table(1))
            level = "neon"
        #else
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
        #endif
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
