// The kernel tables of every instruction set level that this CPU has, and how tests run an entry on all of them.
import CSwiftNN
import Foundation
import Testing

/// float or double.
protocol Number: BinaryFloatingPoint, BitwiseCopyable, Sendable {
    static var kernels: [Kernels<Self>] { get }
    static var label: String { get }
    var bits: UInt64 { get }
}
extension Float: Number {
    static let kernels = Level.available.map { Kernels<Float>(name: $0.name, fused: $0.fused, table: $0.tables.single) }
    static var label: String { "float32" }
    var bits: UInt64 { UInt64(bitPattern) }
}
extension Double: Number {
    static let kernels = Level.available.map { Kernels<Double>(name: $0.name, fused: $0.fused, table: $0.tables.double) }
    static var label: String { "float64" }
    var bits: UInt64 { bitPattern }
}

/// The kernels of a level for one type.
struct Kernels<T: Number>: @unchecked Sendable {
    let name: String
    /// Whether the level has a fused multiply-add: such levels agree to the bit.
    let fused: Bool
    let table: snn_kernels
    var mr: Int { Int(table.mr) }
    var nr: Int { Int(table.nr) }

    /// a * b + c as the level computes it.
    func fma(_ a: T, _ b: T, _ c: T) -> T { fused ? c.addingProduct(a, b) : a * b + c }
}

enum Level {
    typealias Tables = (single: snn_kernels, double: snn_kernels)

    static var available: [(name: String, fused: Bool, tables: Tables)] {
        let bits = snn_isa_available()
        var found = [("base", false, tables(snn_kernels_base))]
        if bits & 2 != 0 { found.append(("avx2", true, tables(snn_kernels_avx2))) }
        if bits & 4 != 0 { found.append(("avx512", true, tables(snn_kernels_avx512))) }
        return found
    }

    private static func tables(_ fill: (UnsafeMutablePointer<snn_kernels>, UnsafeMutablePointer<snn_kernels>) -> Void) -> Tables {
        var single = snn_kernels()
        var double = snn_kernels()
        fill(&single, &double)
        return (single, double)
    }

    /// The levels that the system says this CPU has; nil where it does not say.
    static var promised: [String]? {
        guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("flags") })
        else { return nil }
        let flags = Set(line.split(separator: " "))
        var levels = ["base"]
        guard flags.isSuperset(of: ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"]) else { return levels }
        levels.append("avx2")
        if flags.isSuperset(of: ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]) { levels.append("avx512") }
        return levels
    }
}

/// Runs an entry on every level: `run` calls it, `check` says what is wrong with its result (nil: nothing). The levels with fused
/// multiply-add have to give the same bits, unless each has an order of its own.
func onEveryLevel<T: Number>(
    _ what: @autoclosure () -> String, sameOrder: Bool = true, _ run: (Kernels<T>) -> [T], _ check: (Kernels<T>, [T]) -> String?
) {
    var fused: (name: String, result: [T])?
    for kernels in T.kernels {
        let result = run(kernels)
        if let wrong = check(kernels, result) { report("\(what()) \(T.label) on \(kernels.name): \(wrong)") }
        guard kernels.fused && sameOrder else { continue }
        if let (name, before) = fused {
            if let i = firstDifference(before, result) {
                report("\(what()) \(T.label): number \(i) is \(before[i]) on \(name), \(result[i]) on \(kernels.name)")
            }
        } else {
            fused = (kernels.name, result)
        }
    }
}

/// Records an issue about the entry that `message` begins with: at most ten of them, one wrong loop fails thousands of cases.
func report(_ message: String) {
    let entry = String(message.prefix { $0 != " " })
    Reports.count[entry, default: 0] += 1
    if Reports.count[entry, default: 0] <= 10 { Issue.record("\(message)") }
}

private enum Reports {
    /// Tests run one at a time (Suites.swift).
    nonisolated(unsafe) static var count: [String: Int] = [:]
}

/// The index of the first element with other bits; NaN meets NaN.
func firstDifference<T: Number>(_ a: [T], _ b: [T]) -> Int? {
    precondition(a.count == b.count)
    return a.indices.first { a[$0].bits != b[$0].bits && !(a[$0].isNaN && b[$0].isNaN) }
}

/// What is wrong with an array that has to be this one to the bit.
func exactly<T: Number>(_ got: [T], _ expected: [T]) -> String? {
    firstDifference(got, expected).map { "number \($0) of \(got.count) is \(got[$0]), expected \(expected[$0])" }
}

/// What is wrong with an array that may be off by error[i] at i.
func within<T: Number>(_ got: [T], _ expected: [Double], _ error: [Double]) -> String? {
    for (i, value) in got.enumerated() {
        let y = Double(value)
        let same = expected[i].isNaN ? y.isNaN : y == expected[i] || (y - expected[i]).magnitude <= error[i]
        if !same {
            return "number \(i) of \(got.count) is \(y), expected \(expected[i]) with an error of at most \(error[i])"
        }
    }
    return nil
}

/// Sizes round the widths of vectors.
let vectorSizes = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65]

/// Repeatable numbers.
struct Draw {
    private var state: UInt64
    init(_ seed: Int = 1) { state = UInt64(bitPattern: Int64(seed)) &* 0x9e37_79b9_7f4a_7c15 }

    /// splitmix64
    mutating func word() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
    mutating func below(_ n: Int) -> Int { Int(word() % UInt64(n)) }
    /// Uniform in [-1, 1).
    mutating func number<T: Number>(_: T.Type = T.self) -> T { T(Double(Int64(bitPattern: word()) >> 11) * 0x1p-52) }
    mutating func numbers<T: Number>(_ n: Int, _: T.Type = T.self) -> [T] { (0..<n).map { _ in number() } }
}
