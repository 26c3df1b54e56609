// Every operation of ops.def through its C entry point against the float64 arrays of Tests/Reference.
import CSwiftNN
import SwiftNNTestSupport
import Testing

extension AllTests {
    @Suite struct OperationTests {
        @Test(arguments: OperationRow.all) func matchesReference(_ row: OperationRow) throws {
            for fixture in try cases(row) {
                do {
                    let call = try OperationCall(row, fixture)
                    try call.compute()
                    for result in call.results { try compare(call, result, fixture) }
                } catch {
                    Issue.record("\(row.name) \(fixture.name): \(error)")
                }
            }
        }

        /// Gaps and negative strides in every input: the same bits as for contiguous arrays.
        @Test(arguments: OperationRow.all) func stridedInputsGiveTheSameBits(_ row: OperationRow) throws {
            for fixture in try cases(row) {
                do {
                    let plain = try OperationCall(row, fixture)
                    let strided = try OperationCall(row, fixture, .strided)
                    try plain.compute()
                    try strided.compute()
                    for (i, result) in plain.results.enumerated()
                    where plain.resultMemory[i].contents != strided.resultMemory[i].contents {
                        Issue.record("\(row.name) \(fixture.name): \(result.name) of strided inputs differs from that of contiguous ones")
                    }
                } catch {
                    Issue.record("\(row.name) \(fixture.name): \(error)")
                }
            }
        }

        private func cases(_ row: OperationRow) throws -> [FixtureCase] {
            let cases = try Fixtures.operations.get()[row.name] ?? []
            // Gradients and optimizer steps are tested from Python, against differences and formulas.
            let needsCases = row.name.hasSuffix("_forward")
            #expect(!cases.isEmpty || !needsCases, "ops.def has the row \(row.name), but Tests/Reference/cases.py has no case for it")
            return cases
        }

        private func compare(_ call: OperationCall, _ result: OperationCall.Result, _ fixture: FixtureCase) throws {
            let expected = try #require(try fixture.array(fixture.expected[result.name]!))
            let got = result.array.pointee
            guard got.dimensions == expected.shape else {
                throw FixtureError("\(result.name) has shape \(got.dimensions), expected \(expected.shape)")
            }
            if expected.dtype == Int32(SNN_INT64) {
                if got.dtype == Int32(SNN_INT64) { return try compareIntegers(result, expected) }
            } else if let source = call.inputs.first(where: { $0.kind == SNN_TEST_IN || $0.kind == SNN_TEST_NUM }) {
                guard got.dtype == source.array.pointee.dtype else {
                    throw FixtureError(
                        "\(result.name) has type \(got.dtype), expected that of \(source.name), \(source.array.pointee.dtype)")
                }
            }
            let values = (0..<expected.count).map { element(expected.data, expected.dtype, $0) }
            let single = got.dtype == Int32(SNN_FLOAT32)
            let smallest = single ? Double(Float.leastNormalMagnitude) : Double.leastNormalMagnitude
            let largest = values.reduce(smallest) { $1.isFinite ? max($0, $1.magnitude) : $0 }
            let allowed = fixture.tolerance * largest
            for (i, value) in values.enumerated() {
                let y = element(got.data, got.dtype, i)
                let same = value.isNaN ? y.isNaN : y == value || (value.isFinite && (y - value).magnitude <= allowed)
                guard same else {
                    throw FixtureError(
                        "\(result.name)[\(i)] of \(expected.shape) is \(y), expected \(value) with at most \(allowed) between")
                }
            }
        }

        private func compareIntegers(_ result: OperationCall.Result, _ expected: NumPyArray) throws {
            let values: [Int64] = expected.values()
            let got = result.array.pointee.data.assumingMemoryBound(to: Int64.self)
            for (i, value) in values.enumerated() where got[i] != value {
                throw FixtureError("\(result.name)[\(i)] of \(expected.shape) is \(got[i]), expected \(value)")
            }
        }
    }
}
