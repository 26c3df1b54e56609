// The entries that work on rows: elementary functions and reductions against the arrays of make_kernel_fixtures.py with the errors that
// it allows, everything else against plain loops, exactly.
import CSwiftNN
import Testing

extension AllTests {
    @Suite struct KernelRowTests {
        @Test func unary() throws {
            var kinds: Set<Int64> = []
            for fixture in try cases("unary") {
                kinds.insert(try fixture.integer("kind"))
                try byType(fixture, unaryCase, unaryCase)
            }
            #expect(kinds == Set(0..<Int64(SNN_ACTIVATION_COUNT)))
        }
        @Test func unaryAtEverySizeAndPlace() {
            for kind in 0..<Int64(SNN_ACTIVATION_COUNT) {
                unarySizes(kind, Float.self)
                unarySizes(kind, Double.self)
            }
        }
        @Test func oddFunctionsKeepTheSignOfZero() {
            for kind in [SNN_TANH, SNN_ERF, SNN_SOFTSIGN] {
                signOfZero(Int64(kind), Float.self)
                signOfZero(Int64(kind), Double.self)
            }
        }
        @Test func copy() {
            copies(Float.self)
            copies(Double.self)
        }
        @Test func addAndScale() {
            sumsAndProducts(Float.self)
            sumsAndProducts(Double.self)
        }
        @Test func sumRows() {
            rowSums(Float.self)
            rowSums(Double.self)
        }
        @Test func masks() {
            maskCases(Float.self)
            maskCases(Double.self)
        }
        @Test(arguments: ["dot", "sum", "mean_square", "moments"]) func reduction(_ entry: String) throws {
            for fixture in try cases(entry) { try byType(fixture, reductionCase, reductionCase) }
        }
        @Test func normalize() throws {
            for fixture in try cases("normalize") { try byType(fixture, normalizeCase, normalizeCase) }
        }
        @Test func softmax() throws {
            for fixture in try cases("softmax") { try byType(fixture, softmaxCase, softmaxCase) }
        }

        @Test func softmaxColumns() {
            for n in [1, 3, 4, 64, 65, 200] {
                for limit in [1, 2, 20, 1000] {
                    for keeps in [false, true] {
                        softmaxColumnsCase(n, limit, keeps, Float.self)
                        softmaxColumnsCase(n, limit, keeps, Double.self)
                    }
                }
            }
        }

        private func cases(_ entry: String) throws -> [FixtureCase] {
            let cases = try Fixtures.kernels.get()[entry] ?? []
            #expect(!cases.isEmpty, "make_kernel_fixtures.py writes no case for \(entry)")
            return cases
        }
        private func byType(
            _ fixture: FixtureCase, _ single: (FixtureCase, Float.Type) throws -> Void, _ double: (FixtureCase, Double.Type) throws -> Void
        ) throws {
            if fixture.name.hasSuffix("float32") { try single(fixture, Float.self) } else { try double(fixture, Double.self) }
        }
    }
}

/// A result in fenced memory that `body` fills.
private func result<T: Number>(_ n: Int, _ name: String, _ body: (UnsafeMutablePointer<T>) -> Void) -> [T] {
    let y = Fenced<T>(n, -99)
    body(y.pointer)
    if !y.isIntact { report("\(name) wrote in front of its memory") }
    return y.values
}

private func unaryCase<T: Number>(_ fixture: FixtureCase, _: T.Type) throws {
    let kind = try fixture.integer("kind"), alpha = try fixture.real("alpha"), beta = try fixture.real("beta")
    let x = Fenced<T>(try #require(try fixture.values("x")))
    let expected = try fixture.expectedValues("y"), error = try fixture.expectedValues("y_error")
    onEveryLevel("unary \(fixture.name)") { (kernels: Kernels<T>) in
        result(x.count, "unary") { kernels.table.unary(kind, alpha, beta, x.pointer, $0, Int64(x.count)) }
    } _: { _, y in
        guard let wrong = within(y, expected, error) else { return nil }
        let worst = y.indices.filter { error[$0] > 0 && expected[$0].isFinite }.map { (Double(y[$0]) - expected[$0]).magnitude / error[$0] }
            .max()
        return "\(wrong); the largest error is \(worst ?? 0) of what is allowed"
    }
}

/// A number's result depends neither on its place in the row nor on the row's length, and x may be y.
private func unarySizes<T: Number>(_ kind: Int64, _: T.Type) {
    var draw = Draw(Int(kind))
    let source = (0..<65).map { _ in draw.number(T.self) * 6 }
    let row = Fenced(source)
    onEveryLevel("unary kind \(kind)") { (kernels: Kernels<T>) in
        let whole: [T] = result(65, "unary") { kernels.table.unary(kind, 0.5, 2, row.pointer, $0, 65) }
        for n in vectorSizes {
            for from in [0, 1, 65 - n] where from + n <= 65 {
                let x = Fenced([T](source[from..<from + n]))
                let y: [T] = result(n, "unary") { kernels.table.unary(kind, 0.5, 2, x.pointer, $0, Int64(n)) }
                kernels.table.unary(kind, 0.5, 2, x.pointer, x.pointer, Int64(n))
                let wrong = exactly(y, [T](whole[from..<from + n])) ?? exactly(x.values, y)
                if let wrong { report("unary kind \(kind) \(T.label) \(n) numbers on \(kernels.name): \(wrong)") }
            }
        }
        return whole
    } _: { _, _ in
        nil
    }
}

private func signOfZero<T: Number>(_ kind: Int64, _: T.Type) {
    onEveryLevel("unary kind \(kind) of zeros") { (kernels: Kernels<T>) in
        let x = Fenced<T>([0, -0.0])
        return result(2, "unary") { kernels.table.unary(kind, 0, 0, x.pointer, $0, 2) }
    } _: { _, y in
        exactly(y, [0, -0.0])
    }
}

private func copies<T: Number>(_: T.Type) {
    var draw = Draw()
    for n in vectorSizes {
        for stride in [1, 2, 3, 0, -1, -4] {
            let x = Fenced<T>(draw.numbers((n - 1) * abs(stride) + 1))
            let start = stride < 0 ? (n - 1) * -stride : 0
            onEveryLevel("copy \(n) stride \(stride)") { (kernels: Kernels<T>) in
                result(n, "copy") { kernels.table.copy(x.pointer + start, Int64(stride), $0, Int64(n)) }
            } _: { _, y in
                exactly(y, (0..<n).map { x[start + $0 * stride] })
            }
        }
    }
}

/// Rows of a table added up: small whole numbers, so that every order gives the same sum.
private func rowSums<T: Number>(_: T.Type) {
    var draw = Draw(7)
    let rows: [Int64] = [3, 0, 3, 1, 2, 2, 0, 1, 3, 3, 0]
    for n in vectorSizes {
        // Rows lie a number apart, in which nothing may be read.
        let lines: [[T]] = (0..<4).map { _ in (draw.numbers(n) as [T]).map { (x: T) -> T in (x * 8).rounded() + 0.5 } }
        let table = lines.dropLast().flatMap { $0 + [T.nan] } + lines[3]
        for count in [1, 2, 11] {
            let scales: [T] = (0..<count).map { T($0 % 3 + 1) }
            for weighted in [false, true] {
                for divisor in [1.0, 4.0] {
                    let expected = (0..<n).map { j in
                        (0..<count).reduce(T(0)) { $0 + lines[Int(rows[$1])][j] * (weighted ? scales[$1] : 1) } / T(divisor)
                    }
                    onEveryLevel("sum_rows \(n) of \(count)") { (kernels: Kernels<T>) in
                        let x = Fenced(table), s = Fenced(scales), i = Fenced(Array(rows.prefix(count)))
                        return result(n, "sum_rows") { y in
                            var call = snn_row_sum()
                            call.table = UnsafeRawPointer(x.pointer)
                            call.stride = Int64(n + 1)
                            call.n = Int64(n)
                            call.rows = UnsafePointer(i.pointer)
                            call.count = Int64(count)
                            call.scales = weighted ? UnsafeRawPointer(s.pointer) : nil
                            call.divisor = divisor
                            call.y = UnsafeMutableRawPointer(y)
                            kernels.table.sum_rows(&call)
                        }
                    } _: { _, y in
                        exactly(y, expected)
                    }
                }
            }
        }
    }
}

private func sumsAndProducts<T: Number>(_: T.Type) {
    var draw = Draw(2)
    for n in vectorSizes {
        let a: [T] = draw.numbers(n), b: [T] = draw.numbers(n)
        let scale = 0.1, shift = -1.7
        let expectedSum = (0..<n).map { a[$0] + b[$0] }
        onEveryLevel("add \(n)") { (kernels: Kernels<T>) in
            let x = Fenced(a), z = Fenced(b)
            let y: [T] = result(n, "add") { kernels.table.add(x.pointer, z.pointer, $0, Int64(n)) }
            // any of the three may be the same
            kernels.table.add(x.pointer, z.pointer, z.pointer, Int64(n))
            if let wrong = exactly(z.values, y) { report("add in place on \(kernels.name): \(wrong)") }
            kernels.table.add(x.pointer, x.pointer, x.pointer, Int64(n))
            if let wrong = exactly(x.values, a.map { $0 + $0 }) { report("add to itself on \(kernels.name): \(wrong)") }
            return y
        } _: { _, y in
            exactly(y, expectedSum)
        }
        let operations: [(T, T) -> T] = [{ $0 + $1 }, { $0 - $1 }, { $0 * $1 }, { $0 / $1 }]
        for kind in Int64(SNN_ADD)...Int64(SNN_DIVIDE) {
            for (aStep, bStep) in [(1, 1), (1, 0), (0, 1)] {
                onEveryLevel("combine \(n)") { (kernels: Kernels<T>) in
                    let x = Fenced(aStep == 1 ? a : [a[0]]), z = Fenced(bStep == 1 ? b : [b[0]])
                    let y: [T] = result(n, "combine") {
                        kernels.table.combine(kind, x.pointer, Int64(aStep), z.pointer, Int64(bStep), $0, Int64(n))
                    }
                    let own = aStep == 1 ? x : z
                    kernels.table.combine(kind, x.pointer, Int64(aStep), z.pointer, Int64(bStep), own.pointer, Int64(n))
                    if let wrong = exactly(own.values, y) { report("combine in place on \(kernels.name): \(wrong)") }
                    return y
                } _: { _, y in
                    exactly(y, (0..<n).map { operations[Int(kind)](a[$0 * aStep], b[$0 * bStep]) })
                }
            }
        }
        onEveryLevel("copy_rows \(n)") { (kernels: Kernels<T>) in
            // two rows that lie apart, to where they lie further apart
            let x = Fenced(a + [5] + b), y = Fenced([T](repeating: 7, count: 2 * n + 2))
            kernels.table.copy_rows(x.pointer, Int64(n + 1), y.pointer, Int64(n + 2), 2, Int64(n))
            if !y.isIntact { report("copy_rows on \(kernels.name) wrote in front of its memory") }
            return y.values
        } _: { _, y in
            exactly(y, a + [7, 7] + b)
        }
        onEveryLevel("transpose \(n)") { (kernels: Kernels<T>) in
            // two rows that lie apart, and many short ones
            let x = Fenced(a + [5] + b), y = Fenced([T](repeating: 7, count: 3 * n))
            kernels.table.transpose(x.pointer, Int64(n + 1), y.pointer, 3, 2, Int64(n))
            if !y.isIntact { report("transpose on \(kernels.name) wrote in front of its memory") }
            let back = Fenced([T](repeating: 7, count: 2 * n))
            kernels.table.transpose(y.pointer, 3, back.pointer, Int64(n), Int64(n), 2)
            if let wrong = exactly(back.values, a + b) { report("transpose twice on \(kernels.name): \(wrong)") }
            return y.values
        } _: { _, y in
            exactly(y, (0..<n).flatMap { [a[$0], b[$0], 7] })
        }
        onEveryLevel("add_rows \(n)") { (kernels: Kernels<T>) in
            // one row to each of two that lie apart
            let x = Fenced(a), y = Fenced(b + [7] + b)
            kernels.table.add_rows(x.pointer, 0, y.pointer, Int64(n + 1), 2, Int64(n))
            if !y.isIntact { report("add_rows on \(kernels.name) wrote in front of its memory") }
            return y.values
        } _: { _, y in
            exactly(y, expectedSum + [7] + expectedSum)
        }
        onEveryLevel("scale_shift \(n)") { (kernels: Kernels<T>) in
            let x = Fenced(a)
            return result(n, "scale_shift") { kernels.table.scale_shift(x.pointer, scale, shift, $0, Int64(n)) }
        } _: { kernels, y in
            exactly(y, a.map { kernels.fma($0, T(scale), T(shift)) })
        }
        onEveryLevel("scale \(n)") { (kernels: Kernels<T>) in
            let x = Fenced(a)
            kernels.table.scale(x.pointer, scale, Int64(n))
            if !x.isIntact { report("scale wrote in front of its memory") }
            return x.values
        } _: { _, y in
            exactly(y, a.map { $0 * T(scale) })
        }
    }
}

private func maskCases<T: Number>(_: T.Type) {
    var draw = Draw(3)
    for n in vectorSizes {
        let a: [T] = draw.numbers(n)
        let added: [T] = (0..<n).map { $0 % 3 == 1 ? -.infinity : T($0) }
        onEveryLevel("mask_add \(n)") { (kernels: Kernels<T>) in
            let x = Fenced(a), mask = Fenced(added)
            kernels.table.mask_add(x.pointer, mask.pointer, Int64(n))
            if !x.isIntact { report("mask_add wrote in front of its memory") }
            return x.values
        } _: { _, y in
            exactly(y, (0..<n).map { a[$0] + added[$0] })
        }
        for stride in [1, 2, 0, -1] {
            // any byte but 0 blocks
            let mask = Fenced<UInt8>((0..<((n - 1) * abs(stride) + 1)).map { [0, 1, 0, 255, 0, 0, 2][$0 % 7] })
            let start = stride < 0 ? (n - 1) * -stride : 0
            onEveryLevel("mask_block \(n) stride \(stride)") { (kernels: Kernels<T>) in
                let x = Fenced(a)
                kernels.table.mask_block(x.pointer, mask.pointer + start, Int64(stride), Int64(n))
                if !x.isIntact { report("mask_block wrote in front of its memory") }
                return x.values
            } _: { _, y in
                exactly(y, (0..<n).map { mask[start + $0 * stride] != 0 ? -.infinity : a[$0] })
            }
        }
    }
}

private func reductionCase<T: Number>(_ fixture: FixtureCase, _: T.Type) throws {
    let expected = try fixture.expectedValues("y"), error = try fixture.expectedValues("y_error")
    let x = Fenced<T>(try #require(try fixture.values(fixture.operation == "dot" ? "a" : "x")))
    let other = fixture.operation == "dot" ? Fenced<T>(try #require(try fixture.values("b"))) : x
    let n = Int64(x.count)
    onEveryLevel("\(fixture.operation) \(fixture.name)") { (kernels: Kernels<T>) in
        switch fixture.operation {
        case "dot": return [T(kernels.table.dot(x.pointer, other.pointer, n))]
        case "sum": return [T(kernels.table.sum(x.pointer, n))]
        case "mean_square": return [T(kernels.table.mean_square(x.pointer, n))]
        default:
            var mean = Double.nan, variance = Double.nan
            kernels.table.moments(x.pointer, n, &mean, &variance)
            return [T(mean), T(variance)]
        }
    } _: { _, y in
        within(y, expected, error)
    }
}

private func normalizeCase<T: Number>(_ fixture: FixtureCase, _: T.Type) throws {
    let x = Fenced<T>(try #require(try fixture.values("x")))
    let mean = try fixture.real("mean"), rstd = try fixture.real("rstd")
    let weight = try fixture.values("weight").map { Fenced<T>($0) }, bias = try fixture.values("bias").map { Fenced<T>($0) }
    let expected = try fixture.expectedValues("y"), error = try fixture.expectedValues("y_error")
    onEveryLevel("normalize \(fixture.name)") { (kernels: Kernels<T>) in
        result(x.count, "normalize") {
            kernels.table.normalize(x.pointer, mean, rstd, weight?.pointer, bias?.pointer, $0, Int64(x.count))
        }
    } _: { _, y in
        within(y, expected, error)
    }
}

private func softmaxCase<T: Number>(_ fixture: FixtureCase, _: T.Type) throws {
    let source: [T] = try #require(try fixture.values("x"))
    let kind = try fixture.integer("kind")
    let expected = try fixture.expectedValues("y"), error = try fixture.expectedValues("y_error")
    onEveryLevel("softmax \(fixture.name) kind \(kind)") { (kernels: Kernels<T>) in
        let x = Fenced(source)
        let y: [T] = result(x.count, "softmax") { kernels.table.softmax(x.pointer, $0, Int64(x.count), kind) }
        kernels.table.softmax(x.pointer, x.pointer, Int64(x.count), kind)
        if let wrong = exactly(x.values, y) { report("softmax \(fixture.name) in place on \(kernels.name): \(wrong)") }
        return y
    } _: { _, y in
        within(y, expected, error)
    }
}

/// Down the columns with a mask, a bias with a key ruled out and a causal limit, with and without dropout's factors, against Double; what
/// stands beside the columns stays.
private func softmaxColumnsCase<T: Number>(_ n: Int, _ limit: Int, _ keeps: Bool, _: T.Type) {
    let lanes = 64 / MemoryLayout<T>.stride
    let width = lanes, stride = 2 * lanes
    var draw = Draw(n * 1000 + limit)
    let source: [T] = draw.numbers(n * stride), added: [T] = draw.numbers(n * stride)
    var bias: [T] = draw.numbers(n)
    if n > 3 { bias[2] = -.infinity }
    let factors: [T] = (0..<(n * stride)).map { $0 % 3 == 0 ? 0 : 1.5 }
    onEveryLevel("softmax_columns n \(n) limit \(limit) keeps \(keeps)") { (kernels: Kernels<T>) in
        let x = Fenced(source), mask = Fenced(added), rows = Fenced(bias), inverse = Fenced<T>(width, 0)
        let logs = Fenced<T>(width, 0), keep = Fenced(factors)
        var p = snn_softmax_columns()
        p.x = UnsafeMutableRawPointer(x.pointer)
        (p.n, p.width, p.stride, p.limit) = (Int64(n), Int64(width), Int64(stride), Int64(limit))
        p.mask = UnsafeRawPointer(mask.pointer)
        p.bias = UnsafeRawPointer(rows.pointer)
        if keeps { p.keep = UnsafeRawPointer(keep.pointer) }
        p.inverse = UnsafeMutableRawPointer(inverse.pointer)
        p.log_sum_exp = UnsafeMutableRawPointer(logs.pointer)
        withExtendedLifetime((mask, rows, keep)) { kernels.table.softmax_columns(&p) }
        if !x.isIntact || !inverse.isIntact || !logs.isIntact { report("softmax_columns \(kernels.name) wrote in front of its memory") }
        return x.values + inverse.values + logs.values
    } _: { _, y in
        for j in 0..<stride {
            let column = (0..<n).map { s -> Double in
                s < limit + j ? Double(source[s * stride + j]) + Double(added[s * stride + j]) + Double(bias[s]) : -.infinity
            }
            let largest = column.max()!
            let exponentials = column.map { exp($0 - (largest == -.infinity ? 0 : largest)) }
            let sum = exponentials.reduce(0, +), inverse = sum > 0 ? 1 / sum : 0
            for s in 0..<n {
                let share = keeps ? exponentials[s] * inverse * Double(factors[s * stride + j]) : exponentials[s]
                let expected = j < width ? share : Double(source[s * stride + j])
                if abs(Double(y[s * stride + j]) - expected) > 1e-5 { return "x[\(s), \(j)] is \(y[s * stride + j]), not \(expected)" }
            }
            if j < width, abs(Double(y[n * stride + j]) - (keeps ? 1 : inverse)) > 1e-5 { return "inverse[\(j)] is \(y[n * stride + j])" }
            if j < width, sum > 0, abs(Double(y[n * stride + width + j]) - largest - log(sum)) > 1e-5 {
                return "log_sum_exp[\(j)] is \(y[n * stride + width + j])"
            }
        }
        return nil
    }
}
