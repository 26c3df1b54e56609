// The entries that differentiate rows, against plain loops in Double.
import CSwiftNN
import Foundation
import Testing

extension AllTests {
    @Suite struct KernelRowBackwardTests {
        @Test func unaryBackward() {
            for kind in 0..<Int64(SNN_ACTIVATION_COUNT) {
                unaryBackwardCase(kind, Float.self, 1e-3)
                unaryBackwardCase(kind, Double.self, 1e-7)
            }
        }
        @Test func rows() {
            for n in vectorSizes + [200] {
                softmaxBackwardCase(n, Float.self, 1e-5)
                softmaxBackwardCase(n, Double.self, 1e-13)
                normalizeBackwardCase(n, Float.self, 1e-4)
                normalizeBackwardCase(n, Double.self, 1e-12)
                sumsCase(n, Float.self, 1e-4)
                sumsCase(n, Double.self, 1e-12)
                affineCase(n, Float.self)
                affineCase(n, Double.self)
            }
        }
        @Test func softmaxColumns() {
            for n in [1, 3, 63, 64, 65, 200] {
                for limit in [1, 2, 20, 1000] {
                    for keeps in [false, true] {
                        softmaxColumnsBackwardCase(n, limit, keeps, Float.self, 1e-5)
                        softmaxColumnsBackwardCase(n, limit, keeps, Double.self, 1e-12)
                    }
                }
            }
        }
        @Test func columnSums() {
            for rows in [0, 1, 3, 4, 9, 64] {
                for n in vectorSizes {
                    columnSumsCase(rows, n, Float.self, 1e-4)
                    columnSumsCase(rows, n, Double.self, 1e-12)
                }
            }
        }
        @Test func stream() {
            streamCase(Float.self)
            streamCase(Double.self)
        }
    }
}

/// What is off by more than `error`.
private func near<T: Number>(_ got: [T], _ expected: [Double], _ error: Double) -> String? {
    within(got, expected, expected.map { error * max(1, $0.magnitude) })
}

/// Against the difference quotient of the forward entry in Double; also in place.
private func unaryBackwardCase<T: Number>(_ kind: Int64, _: T.Type, _ error: Double) {
    let alpha = 0.5, beta = kind == Int64(SNN_SOFTPLUS) ? 20.0 : 1.5
    let fromResult = [SNN_RELU, SNN_RELU6, SNN_LEAKY_RELU, SNN_ELU, SNN_SIGMOID, SNN_TANH, SNN_EXP, SNN_HARDTANH, SNN_SELU]
    // clear of the kinks
    let positive = kind == Int64(SNN_LOG)
    let inputs: [Double] = (0..<65).map { (i: Int) -> Double in
        let step = Double(i)
        return positive ? 0.2 + step / 10 : (step - 32) / 8 + 0.03
    }
    let table = Double.kernels[0].table
    func forward(_ x: [Double]) -> [Double] {
        let from = Fenced(x), y = Fenced<Double>(x.count, 0)
        table.unary(kind, alpha, beta, from.pointer, y.pointer, Int64(x.count))
        return y.values
    }
    let above = forward(inputs.map { $0 + 1e-6 }), below = forward(inputs.map { $0 - 1e-6 })
    let expected: [Double] = zip(above, below).map { 3 * ($0 - $1) / 2e-6 }
    let s = (fromResult.contains(Int(kind)) ? forward(inputs) : inputs).map { T($0) }
    for n in vectorSizes {
        onEveryLevel("unary_backward kind \(kind) \(n)") { (kernels: Kernels<T>) in
            let dy = Fenced<T>(n, 3), source = Fenced([T](s[..<n])), dx = Fenced<T>(n, -99)
            kernels.table.unary_backward(kind, alpha, beta, dy.pointer, source.pointer, dx.pointer, Int64(n))
            kernels.table.unary_backward(kind, alpha, beta, dy.pointer, source.pointer, dy.pointer, Int64(n))
            if let wrong = exactly(dy.values, dx.values) { report("unary_backward in place on \(kernels.name): \(wrong)") }
            if !dx.isIntact { report("unary_backward wrote in front of its memory") }
            return dx.values
        } _: { _, dx in
            near(dx, [Double](expected[..<n]), error)
        }
    }
}

private func softmaxBackwardCase<T: Number>(_ n: Int, _: T.Type, _ error: Double) {
    var draw = Draw(n)
    let gradient: [T] = draw.numbers(n), result: [T] = draw.numbers(n)
    for log in [Int64(0), 1] {
        onEveryLevel("softmax_backward \(n)") { (kernels: Kernels<T>) in
            let dy = Fenced(gradient), y = Fenced(result), dx = Fenced<T>(n, -99)
            kernels.table.softmax_backward(dy.pointer, y.pointer, dx.pointer, Int64(n), log)
            if !dx.isIntact { report("softmax_backward wrote in front of its memory") }
            return dx.values
        } _: { _, dx in
            let d = gradient.map { Double($0) }, y = result.map { Double($0) }
            let total = zip(d, y).reduce(0) { $0 + (log == 0 ? $1.0 * $1.1 : $1.0) }
            let expected: [Double] = zip(d, y).map { log == 0 ? $1 * ($0 - total) : $0 - exp($1) * total }
            return near(dx, expected, error * 10)
        }
    }
}

/// Down two vectors of columns with a mask, a bias with a key ruled out, a causal limit and a column that no key is left of, and what those
/// have for a gradient is NaN: nothing may come of it. What stands beside the columns stays.
private func softmaxColumnsBackwardCase<T: Number>(_ n: Int, _ limit: Int, _ keeps: Bool, _: T.Type, _ error: Double) {
    let lanes = 64 / MemoryLayout<T>.stride
    let width = 2 * lanes, stride = 3 * lanes, empty = 3
    var draw = Draw(n * 1000 + limit)
    let source: [T] = draw.numbers(n * stride)
    var added: [T] = draw.numbers(n * stride), gradient: [T] = draw.numbers(n * stride), bias: [T] = draw.numbers(n)
    let factors: [T] = (0..<(n * stride)).map { $0 % 3 == 0 ? 0 : 1.5 }
    if n > 3 { bias[2] = -.infinity }
    for s in 0..<n { added[s * stride + empty] = -.infinity }
    func score(_ s: Int, _ j: Int) -> Double {
        s < limit + j ? Double(source[s * stride + j]) + Double(added[s * stride + j]) + Double(bias[s]) : -.infinity
    }
    let logs = (0..<width).map { j -> T in
        let sum = (0..<n).reduce(0.0) { $0 + exp(score($1, j)) }
        return T(log(sum))
    }
    var share = source.map { Double($0) }, slope = gradient.map { Double($0) }
    for j in 0..<width {
        let p: [Double] = (0..<n).map { logs[j] == -.infinity ? 0 : exp(score($0, j) - Double(logs[j])) }
        let keep = (0..<n).map { keeps ? Double(factors[$0 * stride + j]) : 1 }
        let d: [Double] = (0..<n).map { p[$0] > 0 ? Double(gradient[$0 * stride + j]) * keep[$0] : 0 }
        let total = zip(p, d).reduce(0) { $0 + $1.0 * $1.1 }
        for s in 0..<n {
            share[s * stride + j] = p[s] * keep[s]
            slope[s * stride + j] = p[s] * (d[s] - total)
            if p[s] == 0 { gradient[s * stride + j] = .nan }
        }
    }
    onEveryLevel("softmax_columns_backward n \(n) limit \(limit) keeps \(keeps)") { (kernels: Kernels<T>) in
        let x = Fenced(source), dx = Fenced(gradient), mask = Fenced(added), rows = Fenced(bias), keep = Fenced(factors), log = Fenced(logs)
        var p = snn_softmax_columns_backward()
        p.x = UnsafeMutableRawPointer(x.pointer)
        (p.n, p.width, p.stride, p.limit) = (Int64(n), Int64(width), Int64(stride), Int64(limit))
        p.mask = UnsafeRawPointer(mask.pointer)
        p.bias = UnsafeRawPointer(rows.pointer)
        if keeps { p.keep = UnsafeRawPointer(keep.pointer) }
        p.log_sum_exp = UnsafeRawPointer(log.pointer)
        p.dx = UnsafeMutableRawPointer(dx.pointer)
        withExtendedLifetime((mask, rows, keep, log)) { kernels.table.softmax_columns_backward(&p) }
        if !x.isIntact || !dx.isIntact { report("softmax_columns_backward wrote in front of its memory") }
        return x.values + dx.values
    } _: { _, y in
        near(y, share + slope, error)
    }
}

private func normalizeBackwardCase<T: Number>(_ n: Int, _: T.Type, _ error: Double) {
    var draw = Draw(n)
    let gradient: [T] = draw.numbers(n), row: [T] = draw.numbers(n), weights: [T] = draw.numbers(n), start: [T] = draw.numbers(n)
    for center in [true, false] {
        for weighted in [true, false] {
            onEveryLevel("normalize_backward \(n)") { (kernels: Kernels<T>) in
                let dy = Fenced(gradient), x = Fenced(row), w = Fenced(weights)
                let dx = Fenced<T>(n, -99), dweight = Fenced(start), dbias = Fenced(start)
                var p = snn_normalize_backward(
                    dy: dy.pointer, x: x.pointer, weight: weighted ? UnsafeRawPointer(w.pointer) : nil, n: Int64(n), center: center ? 1 : 0,
                    mean: 0.25, rstd: 1.5, dx: dx.pointer, dweight: dweight.pointer, dbias: dbias.pointer)
                withExtendedLifetime((dy, x, w)) { kernels.table.normalize_backward(&p) }
                if !dx.isIntact || !dweight.isIntact || !dbias.isIntact { report("normalize_backward wrote in front of its memory") }
                return dx.values + dweight.values + dbias.values
            } _: { _, y in
                let d = gradient.map { Double($0) }, z = row.map { (Double($0) - 0.25) * 1.5 }
                let g: [Double] = zip(d, weights).map { weighted ? $0 * Double($1) : $0 }
                let sum = center ? g.reduce(0, +) / Double(n) : 0
                let dot = zip(g, z).reduce(0) { $0 + $1.0 * $1.1 } / Double(n)
                var expected: [Double] = zip(g, z).map { 1.5 * ($0 - sum - $1 * dot) }
                for i in 0..<n { expected.append(Double(start[i]) + d[i] * z[i]) }
                for i in 0..<n { expected.append(Double(start[i]) + d[i]) }
                return near(y, expected, error)
            }
        }
    }
}

private func sumsCase<T: Number>(_ n: Int, _: T.Type, _ error: Double) {
    var draw = Draw(n)
    let a: [T] = draw.numbers(n), b: [T] = draw.numbers(n)
    onEveryLevel("centered_sums \(n)") { (kernels: Kernels<T>) in
        let dy = Fenced(a), x = Fenced(b)
        var sum = 0.0, dot = 0.0
        kernels.table.centered_sums(dy.pointer, x.pointer, 0.5, Int64(n), &sum, &dot)
        let negative = withExtendedLifetime((dy, x)) { kernels.table.negative_dot(dy.pointer, x.pointer, Int64(n)) }
        return [T(sum), T(dot), T(negative)]
    } _: { _, y in
        let d = a.map { Double($0) }, x = b.map { Double($0) }
        let dot: Double = zip(d, x).reduce(0) { $0 + $1.0 * ($1.1 - 0.5) }
        let negative: Double = zip(d, x).reduce(0) { $0 + ($1.1 > 0 ? 0 : $1.0 * $1.1) }
        return near(y, [d.reduce(0, +), dot, negative], error)
    }
}

private func affineCase<T: Number>(_ n: Int, _: T.Type) {
    var draw = Draw(n)
    let gradient: [T] = draw.numbers(n), row: [T] = draw.numbers(n)
    let numbers: [[T]] = (0..<4).map { _ in draw.numbers(n) }
    for each in [true, false] {
        for withGradient in [true, false] {
            onEveryLevel("affine \(n)") { (kernels: Kernels<T>) in
                let dy = Fenced(gradient), x = Fenced(row), y = Fenced<T>(n, -99)
                let c = numbers.map { Fenced(each ? $0 : [$0[0]]) }
                var p = snn_affine(
                    dy: withGradient ? UnsafeRawPointer(dy.pointer) : nil, x: x.pointer, a: c[0].pointer, b: c[1].pointer,
                    center: c[2].pointer, c: c[3].pointer, each: each ? 1 : 0, n: Int64(n), y: y.pointer)
                withExtendedLifetime((dy, x, c)) { kernels.table.affine(&p) }
                if !y.isIntact { report("affine wrote in front of its memory") }
                return y.values
            } _: { kernels, y in
                exactly(
                    y,
                    (0..<n).map { i in
                        let k = each ? i : 0
                        let v = kernels.fma(numbers[1][k], row[i] - numbers[2][k], numbers[3][k])
                        return withGradient ? kernels.fma(numbers[0][k], gradient[i], v) : v
                    })
            }
        }
    }
}

private func columnSumsCase<T: Number>(_ rows: Int, _ n: Int, _: T.Type, _ error: Double) {
    var draw = Draw(rows * 100 + n)
    let ldy = n + 3, ldx = n + 1
    let gradient: [T] = draw.numbers(rows * ldy + n), matrix: [T] = draw.numbers(rows * ldx + n)
    let centers: [T] = draw.numbers(n), start: [T] = draw.numbers(n)
    for (withGradient, withDots) in [(true, true), (true, false), (false, true)] {
        onEveryLevel("column_sums \(rows)x\(n)") { (kernels: Kernels<T>) in
            let dy = Fenced([T](gradient[..<(max(rows - 1, 0) * ldy + n)])), x = Fenced([T](matrix[..<(max(rows - 1, 0) * ldx + n)]))
            let center = Fenced(centers), sums = Fenced(start), dots = Fenced(start)
            var p = snn_column_sums(
                rows: Int64(rows), n: Int64(n), dy: withGradient ? UnsafeRawPointer(dy.pointer) : nil, ldy: Int64(ldy), x: x.pointer,
                ldx: Int64(ldx), center: center.pointer, sums: withGradient ? UnsafeMutableRawPointer(sums.pointer) : nil,
                dots: withDots ? UnsafeMutableRawPointer(dots.pointer) : nil)
            withExtendedLifetime((dy, x, center)) { kernels.table.column_sums(&p) }
            if !sums.isIntact || !dots.isIntact { report("column_sums wrote in front of its memory") }
            return sums.values + dots.values
        } _: { _, y in
            var sums = start.map { Double($0) }, dots = sums
            for r in 0..<rows {
                for j in 0..<n {
                    let z = Double(matrix[r * ldx + j]) - Double(centers[j])
                    if withGradient { sums[j] += Double(gradient[r * ldy + j]) }
                    if withDots { dots[j] += (withGradient ? Double(gradient[r * ldy + j]) : z) * z }
                }
            }
            return near(y, sums + dots, error)
        }
    }
}

/// To a place on a cache line.
private func streamCase<T: Number>(_: T.Type) {
    var draw = Draw()
    for n in vectorSizes {
        let source: [T] = draw.numbers(n)
        onEveryLevel("stream \(n)") { (kernels: Kernels<T>) in
            let x = Fenced(source), memory = Fenced<T>(256, -99)
            // the end of the memory is on a page, and 256 numbers are whole cache lines
            kernels.table.stream(x.pointer, memory.pointer, Int64(n))
            snn_stream_end()
            if memory.values[n...].contains(where: { $0 != -99 }) { report("stream wrote behind its memory on \(kernels.name)") }
            return [T](memory.values[..<n])
        } _: { _, y in
            exactly(y, source)
        }
    }
}
