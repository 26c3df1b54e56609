// The cases that Tests/Reference writes: index.txt, one case a line (make_swift_fixtures.py describes the format).
import Foundation

struct FixtureError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// One line of index.txt.
struct FixtureCase {
    let operation: String
    let name: String
    let inputs: [String: String]
    let expected: [String: String]
    let tolerance: Double
    let folder: URL

    /// An input or expected array; nil for none.
    func array(_ text: String) throws -> NumPyArray? {
        if text == "none" { return nil }
        guard text.first == "@" else { throw FixtureError("\(operation) \(name): \(text) is no array") }
        return try NumPyArray(contentsOf: folder.appendingPathComponent(String(text.dropFirst())))
    }
    func input(_ field: String) throws -> String {
        guard let text = inputs[field] else { throw FixtureError("\(operation) \(name): the case has no field \(field)") }
        return text
    }
    func integer(_ field: String) throws -> Int64 {
        guard let value = Int64(try input(field)) else { throw FixtureError("\(operation) \(name): \(field) is no integer") }
        return value
    }
    func real(_ field: String) throws -> Double {
        guard let value = Double(try input(field)) else { throw FixtureError("\(operation) \(name): \(field) is no number") }
        return value
    }
    func values<T>(_ field: String) throws -> [T]? { try array(try input(field))?.values() }
    func expectedValues(_ field: String) throws -> [Double] {
        guard let text = expected[field], let array = try array(text) else {
            throw FixtureError("\(operation) \(name): the case expects no \(field)")
        }
        return array.values()
    }
}

enum Fixtures {
    /// $SWIFTNN_FIXTURES, else Tests/.cache/swift beside this file.
    static var folder: URL {
        if let chosen = ProcessInfo.processInfo.environment["SWIFTNN_FIXTURES"], !chosen.isEmpty { return URL(fileURLWithPath: chosen) }
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return tests.appendingPathComponent(".cache/swift")
    }

    /// The cases of every operation of ops.def.
    static let operations = Result { try read(folder, "make_swift_fixtures") }
    /// The cases of the entries of snn_kernels.
    static let kernels = Result { try read(folder.appendingPathComponent("kernels"), "make_kernel_fixtures") }

    private static func read(_ folder: URL, _ script: String) throws -> [String: [FixtureCase]] {
        let index = folder.appendingPathComponent("index.txt")
        guard let text = try? String(contentsOf: index, encoding: .utf8) else {
            throw FixtureError(
                "there is no \(index.path): make it with  PYTHONPATH=Tests python3 -m Reference.\(script) \(folder.path)  (./Tests/run does)"
            )
        }
        var cases: [String: [FixtureCase]] = [:]
        for line in text.split(separator: "\n") {
            let found = try parse(line, folder)
            cases[found.operation, default: []].append(found)
        }
        return cases
    }

    private static func parse(_ line: Substring, _ folder: URL) throws -> FixtureCase {
        let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
        guard fields.count >= 3 else { throw FixtureError("index.txt has a line that is no case: \(line)") }
        var inputs: [String: String] = [:]
        var expected: [String: String] = [:]
        for field in fields.dropFirst(2) {
            guard let equals = field.firstIndex(of: "=") else { throw FixtureError("index.txt has a field without a value: \(field)") }
            let name = field[..<equals]
            let value = String(field[field.index(after: equals)...])
            if name.hasPrefix("out:") { expected[String(name.dropFirst(4))] = value } else { inputs[String(name)] = value }
        }
        guard let tolerance = inputs.removeValue(forKey: "tol").flatMap(Double.init) else {
            throw FixtureError("index.txt has a case without tol: \(line)")
        }
        return FixtureCase(
            operation: String(fields[0]), name: String(fields[1]), inputs: inputs, expected: expected, tolerance: tolerance, folder: folder)
    }
}
