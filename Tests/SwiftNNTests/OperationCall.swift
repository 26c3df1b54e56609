// Calls any operation of ops.def with the fields of a fixture case, through its C entry point.
import CSwiftNN
import Foundation
import SwiftNNTestSupport
import Testing

/// A row of ops.def.
struct OperationRow: Sendable, CustomTestStringConvertible {
    let index: Int64
    private var row: snn_test_operation { snn_test_operation_at(index).pointee }
    var name: String { String(cString: row.name) }
    var testDescription: String { name }
    var size: Int { Int(row.size) }
    var fields: [(kind: snn_test_kind, name: String)] {
        (0..<Int(row.field_count)).map { (row.fields[$0].kind, String(cString: row.fields[$0].name)) }
    }
    func call(_ args: UnsafeRawPointer) -> snn_status { row.call(args) }

    static let all = (0..<snn_test_operation_count()).map { OperationRow(index: $0) }
}

/// How the input arrays of a call lie in memory.
enum InputLayout { case contiguous, strided }

/// The argument struct of one call, filled slot by slot in row order, and everything it points to.
final class OperationCall {
    struct Result {
        let name: String
        let array: UnsafeMutablePointer<snn_array>
    }
    let row: OperationRow
    private(set) var results: [Result] = []
    /// Single input arrays (not those of ARRAYS).
    private(set) var inputs: [(kind: snn_test_kind, name: String, array: UnsafeMutablePointer<snn_array>)] = []
    var slots: [UInt64] = []
    /// The memory of the results, which allocateResults() makes.
    private(set) var resultMemory: [FencedBytes] = []
    private var memory: [AnyObject] = []

    init(_ row: OperationRow, _ fixture: FixtureCase, _ layout: InputLayout = .contiguous) throws {
        self.row = row
        for (kind, name) in row.fields {
            switch kind {
            case SNN_TEST_OUT, SNN_TEST_OPTOUT:
                if fixture.expected[name] == nil {
                    slots.append(0)
                } else {
                    let array = describe(nil, [], layout)
                    results.append(Result(name: name, array: array))
                    append(array)
                }
            case SNN_TEST_INT: slots.append(UInt64(bitPattern: try fixture.integer(name)))
            case SNN_TEST_REAL: slots.append(try fixture.real(name).bitPattern)
            case SNN_TEST_INTS:
                let numbers = Fenced(try fixture.input(name).split(separator: ",").map { Int64($0)! })
                memory.append(numbers)
                append(numbers.pointer)
                slots.append(UInt64(numbers.count))
            case SNN_TEST_ARRAYS, SNN_TEST_WRITES:
                let entries = try fixture.input(name).split(separator: ",").map { try fixture.array(String($0)) }
                let arrays = Fenced(entries.map { $0.map { describe($0, $0.shape, layout).pointee } ?? snn_array.absent })
                memory.append(arrays)
                append(arrays.pointer)
                slots.append(UInt64(arrays.count))
            default:
                guard let source = try fixture.array(try fixture.input(name)) else {
                    slots.append(0)
                    continue
                }
                let array = describe(source, source.shape, layout)
                inputs.append((kind, name, array))
                append(array)
            }
        }
        precondition(8 * slots.count == row.size, "\(row.name): the argument struct is not made of 8-byte slots")
    }

    private func append(_ pointer: UnsafeMutablePointer<some Any>) { slots.append(UInt64(UInt(bitPattern: pointer))) }

    /// The slot of a result or input array.
    func slot(of array: UnsafeMutablePointer<snn_array>) -> Int { slots.firstIndex(of: UInt64(UInt(bitPattern: array)))! }

    /// An snn_array for the elements of `source` (nil: a result), in its own memory or spread with gaps and the first axis backwards.
    private func describe(_ source: NumPyArray?, _ shape: [Int], _ layout: InputLayout) -> UnsafeMutablePointer<snn_array> {
        let holder = Fenced(1, snn_array())
        memory.append(holder)
        let array = holder.pointer
        guard let source else { return array }
        memory.append(source)
        let item = Int(snn_itemsize(source.dtype))
        array.pointee.dtype = source.dtype
        array.pointee.ndim = Int32(shape.count)
        array.pointee.data = source.data
        let sizes = snn_shape_mutable(array)!
        let strides = snn_strides_mutable(array)!
        let spread = layout == .strided ? 2 : 1
        var step = item * spread
        for i in stride(from: shape.count - 1, through: 0, by: -1) {
            sizes[i] = Int64(shape[i])
            strides[i] = Int64(step)
            step *= max(shape[i], 1)
        }
        if layout == .strided && source.count > 0 {
            // element i of the rows in reverse order at 2 i; what lies between is not a number
            let gaps = FencedBytes((2 * source.count - 1) * item)
            memory.append(gaps)
            memset(gaps.start, 0xff, gaps.count)
            let rows = shape.first ?? 1
            let length = source.count / rows
            for i in 0..<source.count {
                let place = (rows - 1 - i / length) * length + i % length
                memcpy(gaps.start + 2 * place * item, source.data + i * item, item)
            }
            array.pointee.data = gaps.start + 2 * (rows - 1) * length * item
            if !shape.isEmpty { strides[0] = -Int64(2 * length * item) }
        }
        return array
    }

    func run() -> snn_status { slots.withUnsafeBytes { row.call($0.baseAddress!) } }

    /// Gives the results the memory that the shape query asked for, filled with bytes that no result has by chance.
    func allocateResults() {
        for result in results {
            let bytes = FencedBytes(Int(snn_nbytes(result.array)))
            memset(bytes.start, 0xcd, bytes.count)
            resultMemory.append(bytes)
            result.array.pointee.data = bytes.start
        }
    }

    /// The shape query, then the computation; throws what the operation said.
    func compute() throws {
        for stage in ["shape query", "computation"] {
            if stage == "computation" { allocateResults() }
            let status = run()
            guard status == snn_status(SNN_OK) else { throw FixtureError("\(stage): status \(status), \(lastError())") }
        }
        guard resultMemory.allSatisfy(\.isIntact) else { throw FixtureError("the operation wrote in front of a result") }
    }

}

extension snn_array {
    /// An entry of ARRAYS that is not there.
    static var absent: snn_array {
        var array = snn_array()
        array.ndim = -1
        return array
    }
    var dimensions: [Int] {
        withUnsafePointer(to: self) { array in (0..<Int(ndim)).map { Int(snn_shape(array)![$0]) } }
    }
}

func lastError() -> String { String(cString: snn_last_error()) }
