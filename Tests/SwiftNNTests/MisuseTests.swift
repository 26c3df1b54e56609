// Wrong arguments to every operation: a status and a message, never a crash and never a result.
import CSwiftNN
import SwiftNNTestSupport
import Testing

extension AllTests {
    @Suite struct MisuseTests {
        @Test(arguments: OperationRow.all) func resultsThatAreNotWhatTheQuerySaid(_ row: OperationRow) throws {
            try misuse(row, "a result one larger", queried: true) { call in
                for result in call.results where result.array.pointee.ndim > 0 {
                    snn_shape_mutable(result.array)[0] += 1
                    return true
                }
                return false
            }
            try misuse(row, "a result with a dimension more", queried: true) { call in
                guard let result = call.results.last, result.array.pointee.ndim < Int32(SNN_MAX_DIMS) else { return false }
                snn_shape_mutable(result.array)[Int(result.array.pointee.ndim)] = 1
                result.array.pointee.ndim += 1
                return true
            }
            try misuse(row, "a result of 100 dimensions", queried: true) { call in
                call.results[0].array.pointee.ndim = 100
                return true
            }
            try misuse(row, "a result of another type", queried: true) { call in
                call.results[0].array.pointee.dtype = call.results[0].array.pointee.dtype == Int32(SNN_INT8) ? 0 : Int32(SNN_INT8)
                return true
            }
            try misuse(row, "a result that is not contiguous", queried: true) { call in
                for result in call.results {
                    let array = result.array
                    for i in 0..<Int(array.pointee.ndim) where snn_shape(array)[i] > 1 && snn_nbytes(array) > 0 {
                        snn_strides_mutable(array)[i] *= 2
                        return true
                    }
                }
                return false
            }
            try misuse(row, "no result", queried: false) { call in
                if call.results.isEmpty { return false }
                call.slots[call.slot(of: call.results[0].array)] = 0
                return true
            }
        }

        @Test(arguments: OperationRow.all) func inputsThatAreNoArrays(_ row: OperationRow) throws {
            let required = [SNN_TEST_IN, SNN_TEST_NUM, SNN_TEST_INDEX], optional = [SNN_TEST_OPT, SNN_TEST_OPTINDEX, SNN_TEST_MASK]
            for i in row.fields.indices where required.contains(row.fields[i].kind) || optional.contains(row.fields[i].kind) {
                let (kind, name) = row.fields[i]
                func change(_ what: String, _ body: @escaping (OperationCall, UnsafeMutablePointer<snn_array>) -> Void) throws {
                    try misuse(row, "\(name) with \(what)", queried: false, present: name) { call in
                        guard let input = call.inputs.first(where: { $0.name == name }) else { return false }
                        body(call, input.array)
                        return true
                    }
                }
                if required.contains(kind) { try change("NULL instead of it") { call, array in call.slots[call.slot(of: array)] = 0 } }
                try change("9 dimensions") { _, array in array.pointee.ndim = 9 }
                try change("-1 dimensions") { _, array in array.pointee.ndim = -1 }
                try change("an unknown type") { _, array in array.pointee.dtype = 99 }
                if kind != SNN_TEST_NUM { try change("int16 numbers") { _, array in array.pointee.dtype = Int32(SNN_INT16) } }
            }
        }

        /// Spoils a call of the row's first case that has the field `present`, and expects an error with a message.
        private func misuse(
            _ row: OperationRow, _ what: String, queried: Bool, present: String? = nil, _ spoil: (OperationCall) -> Bool
        ) throws {
            let cases = try Fixtures.operations.get()[row.name] ?? []
            let fixture = cases.first { fixture in present.map { fixture.inputs[$0] != "none" } ?? true }
            guard let fixture else { return }
            let call = try OperationCall(row, fixture)
            if queried {
                try #require(call.run() == snn_status(SNN_OK))
                call.allocateResults()
            }
            guard spoil(call) else { return }
            let untouched = call.resultMemory.map(\.contents)
            _ = snn_set_num_threads(0)
            let before = lastError()
            let status = call.run()
            #expect(status != snn_status(SNN_OK), "\(row.name) took \(what)")
            #expect(status == snn_status(SNN_OK) || (lastError() != before && !lastError().isEmpty), "\(row.name), \(what): no message")
            if queried { #expect(call.resultMemory.map(\.contents) == untouched, "\(row.name) wrote into \(what)") }
        }
    }
}
