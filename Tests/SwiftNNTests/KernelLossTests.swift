// The entries of losses and optimizers against plain loops in Double.
import CSwiftNN
import Testing

extension AllTests {
    @Suite struct KernelLossTests {
        @Test(arguments: vectorSizes) func logSumExp(_ n: Int) {
            logSumExpCase(n, Float.self)
            logSumExpCase(n, Double.self)
        }
        @Test(arguments: vectorSizes) func logSumExpColumns(_ n: Int) {
            logSumExpColumnsCase(n, Float.self)
            logSumExpColumnsCase(n, Double.self)
        }
        @Test(arguments: vectorSizes) func expRow(_ n: Int) {
            for each in [false, true] {
                expRowCase(n, each, Float.self)
                expRowCase(n, each, Double.self)
            }
        }
        @Test(arguments: vectorSizes) func multiply(_ n: Int) {
            multiplyCase(n, Float.self)
            multiplyCase(n, Double.self)
        }
        @Test(arguments: vectorSizes) func pointwiseLoss(_ n: Int) {
            for kind in 0..<Int(SNN_LOSS_COUNT) {
                for part in 0..<3 where part < 2 || kind >= Int(SNN_BCE) {
                    pointwiseCase(kind, part, n, Float.self)
                    pointwiseCase(kind, part, n, Double.self)
                }
            }
        }
        @Test(arguments: vectorSizes) func ctcStep(_ n: Int) {
            ctcStepCase(n, Float.self)
            ctcStepCase(n, Double.self)
        }
        @Test(arguments: vectorSizes) func optimizerStep(_ n: Int) {
            for kind in 0..<4 {
                optimizerCase(kind, n, Float.self)
                optimizerCase(kind, n, Double.self)
            }
        }
        @Test(arguments: vectorSizes) func absolutes(_ n: Int) {
            absolutesCase(n, Float.self)
            absolutesCase(n, Double.self)
        }
    }
}

/// What y differs in by more than some roundings, relative to the largest expected number.
private func near<T: Number>(_ y: [T], _ expected: [Double], _ roundings: Double = 100) -> String? {
    let size = expected.filter(\.isFinite).map(\.magnitude).max() ?? 0
    return within(y, expected, expected.map { _ in roundings * Double(T.ulpOfOne) * max(size, 1) })
}

private func fenced<T: Number>(_ y: [Fenced<T>], _ name: String) -> [T] {
    for part in y where !part.isIntact { report("\(name) wrote in front of its memory") }
    return y.flatMap(\.values)
}

/// max, log(sum exp(x - max)) and the sum of w (x - max - log).
private func expectedSums<T: Number>(_ x: [T], _ w: [T]) -> [Double] {
    let largest = Double(x.max()!)
    let total = log(x.reduce(0) { $0 + exp(Double($1) - largest) })
    return [largest, total, zip(x, w).reduce(0) { $0 + Double($1.1) * (Double($1.0) - largest - total) }]
}

private func logSumExpCase<T: Number>(_ n: Int, _: T.Type) {
    var draw = Draw(n)
    let source: [T] = draw.numbers(n), weights: [T] = draw.numbers(n)
    onEveryLevel("log_sum_exp \(n)") { (kernels: Kernels<T>) in
        let x = Fenced(source), w = Fenced(weights)
        var out = [0.0, 0.0, 0.0]
        kernels.table.log_sum_exp(x.pointer, w.pointer, Int64(n), &out)
        return out.map { T($0) }
    } _: { _, y in
        near(y, expectedSums(source, weights))
    }
    onEveryLevel("log_sum_exp of -infinity") { (kernels: Kernels<T>) in
        let x = Fenced([T](repeating: -.infinity, count: n))
        var out = [0.0, 0.0, 0.0]
        kernels.table.log_sum_exp(x.pointer, nil, Int64(n), &out)
        return out.map { T($0) }
    } _: { _, y in
        exactly(y, [0, -.infinity, 0])
    }
}

private func logSumExpColumnsCase<T: Number>(_ n: Int, _: T.Type) {
    var draw = Draw(n)
    let rows = 5, stride = n + 3
    let source: [T] = draw.numbers(rows * stride), weights: [T] = draw.numbers(rows)
    onEveryLevel("log_sum_exp_columns \(n)") { (kernels: Kernels<T>) in
        let x = Fenced(source), w = Fenced(weights)
        let out = (0..<3).map { _ in Fenced<T>(n, -99) }
        var p = snn_log_sum_exp_columns()
        (p.rows, p.stride, p.n) = (Int64(rows), Int64(stride), Int64(n))
        p.x = UnsafeRawPointer(x.pointer)
        p.w = UnsafeRawPointer(w.pointer)
        p.max = UnsafeMutableRawPointer(out[0].pointer)
        p.log = UnsafeMutableRawPointer(out[1].pointer)
        p.weighted = UnsafeMutableRawPointer(out[2].pointer)
        withExtendedLifetime((x, w)) { kernels.table.log_sum_exp_columns(&p) }
        return fenced(out, "log_sum_exp_columns")
    } _: { _, y in
        let columns = (0..<n).map { j in expectedSums((0..<rows).map { source[$0 * stride + j] }, weights) }
        return near(y, (0..<3).flatMap { i in columns.map { $0[i] } })
    }
}

private func expRowCase<T: Number>(_ n: Int, _ each: Bool, _: T.Type) {
    var draw = Draw(n)
    let source: [T] = draw.numbers(n), weights: [T] = draw.numbers(n)
    let numbers: [[T]] = (0..<3).map { _ in draw.numbers(n) }
    onEveryLevel("exp_row \(n)") { (kernels: Kernels<T>) in
        let x = Fenced(source), w = Fenced(weights), parts = numbers.map { Fenced($0) }, y = Fenced<T>(n, -99)
        var p = snn_exp_row()
        (p.n, p.each) = (Int64(n), each ? 1 : 0)
        p.x = UnsafeRawPointer(x.pointer)
        p.w = UnsafeRawPointer(w.pointer)
        p.shift = UnsafeRawPointer(parts[0].pointer)
        p.scale = UnsafeRawPointer(parts[1].pointer)
        p.less = UnsafeRawPointer(parts[2].pointer)
        p.y = UnsafeMutableRawPointer(y.pointer)
        withExtendedLifetime((x, w, parts)) { kernels.table.exp_row(&p) }
        return fenced([y], "exp_row")
    } _: { _, y in
        near(
            y,
            (0..<n).map { i in
                let at = each ? i : 0
                return Double(numbers[1][at]) * exp(Double(source[i]) - Double(numbers[0][at]))
                    - Double(numbers[2][at]) * Double(weights[each ? 0 : i])
            })
    }
}

private func multiplyCase<T: Number>(_ n: Int, _: T.Type) {
    var draw = Draw(n)
    let a: [T] = draw.numbers(n), b: [T] = draw.numbers(n)
    onEveryLevel("multiply \(n)") { (kernels: Kernels<T>) in
        let x = Fenced(a), y = Fenced(b)
        kernels.table.multiply(x.pointer, y.pointer, y.pointer, Int64(n))
        return fenced([y], "multiply")
    } _: { _, y in
        exactly(y, zip(a, b).map { $0 * $1 })
    }
}

private func pointwise(_ kind: Int, _ alpha: Double, _ x: Double, _ t: Double, _ w: Double) -> Double {
    let z = (x - t).magnitude
    switch Int32(kind) {
    case Int32(SNN_MSE): return z * z
    case Int32(SNN_L1): return z
    case Int32(SNN_SMOOTH_L1): return z < alpha ? z * z / (2 * alpha) : z - alpha / 2
    case Int32(SNN_HUBER): return z < alpha ? z * z / 2 : alpha * (z - alpha / 2)
    case Int32(SNN_BCE): return -t * log(x) - (1 - t) * log(1 - x)
    case Int32(SNN_BCE_WITH_LOGITS): return w * t * log(1 + exp(-x)) + (1 - t) * log(1 + exp(x))
    default: return t * (log(t) - x)
    }
}

private func pointwiseCase<T: Number>(_ kind: Int, _ part: Int, _ n: Int, _: T.Type) {
    var draw = Draw(n + 100 * kind)
    // Between 0.05 and 0.95: what is a probability, too.
    func numbers() -> [T] { (0..<n).map { _ in 0.5 + 0.45 * max(-1, min(1, draw.number(T.self))) } }
    let source = numbers(), target = numbers(), weights = numbers()
    let alpha = kind == Int(SNN_KL_DIV) ? 0 : 0.3
    onEveryLevel("pointwise_loss kind \(kind) part \(part) \(n)") { (kernels: Kernels<T>) in
        let x = Fenced(source), t = Fenced(target), w = Fenced(weights), y = Fenced<T>(n, -99)
        let pointer = kind == Int(SNN_BCE_WITH_LOGITS) ? w.pointer : nil
        let fits = kernels.table.pointwise_loss(Int64(kind), Int64(part), alpha, x.pointer, t.pointer, pointer, y.pointer, Int64(n))
        if fits != 1 { report("pointwise_loss kind \(kind) takes its input for something else") }
        return fenced([y], "pointwise_loss")
    } _: { _, y in
        let h = part == 0 ? 0 : 1e-6
        let expected = (0..<n).map { i in
            let x = Double(source[i]), t = Double(target[i]), w = Double(weights[i])
            if part == 0 { return pointwise(kind, alpha, x, t, w) }
            let (dx, dt) = part == 1 ? (h, 0.0) : (0.0, h)
            return (pointwise(kind, alpha, x + dx, t + dt, w) - pointwise(kind, alpha, x - dx, t - dt, w)) / (2 * h)
        }
        return within(y, expected, expected.map { _ in part == 0 ? 100 * Double(T.ulpOfOne) : 1e-5 })
    }
    guard kind == Int(SNN_BCE) && part == 0 else { return }
    for wrong in [-0.1, 1.1, .nan] {
        for kernels in T.kernels {
            var values = source
            values[n - 1] = T(wrong)
            let x = Fenced(values), t = Fenced(target), y = Fenced<T>(n, -99)
            let fits = kernels.table.pointwise_loss(Int64(kind), 0, 0, x.pointer, t.pointer, nil, y.pointer, Int64(n))
            if fits != 0 { report("pointwise_loss takes \(wrong) for a probability") }
        }
    }
}

private func ctcStepCase<T: Number>(_ n: Int, _: T.Type) {
    var draw = Draw(n)
    var source: [T] = [-.infinity, -.infinity] + draw.numbers(n)
    if n > 4 { source[3] = -.infinity }
    let skip: [T] = (0..<n).map { $0 % 3 == 0 ? 0 : -.infinity }, emit: [T] = draw.numbers(n)
    let before = source
    onEveryLevel("ctc_step \(n)") { (kernels: Kernels<T>) in
        let p = Fenced(before), s = Fenced(skip), e = Fenced(emit), y = Fenced<T>(n, -99)
        kernels.table.ctc_step(p.pointer + 2, s.pointer, e.pointer, y.pointer, Int64(n))
        return fenced([y], "ctc_step")
    } _: { _, y in
        near(
            y,
            (0..<n).map { s in
                let sum = exp(Double(before[s + 2])) + exp(Double(before[s + 1])) + exp(Double(before[s]) + Double(skip[s]))
                return log(sum) + Double(emit[s])
            })
    }
}

private func optimizerCase<T: Number>(_ kind: Int, _ n: Int, _: T.Type) {
    var draw = Draw(n)
    let numbers: [[T]] = (0..<5).map { i in draw.numbers(n).map { (x: T) in i < 2 ? x : i < 4 ? x.magnitude + 1 : x.magnitude / 10 } }
    let (lr, decay, shrink, a, b, eps, correction) = (0.1, 0.2, 0.95, 0.9, 0.7, 1e-3, 0.8)
    onEveryLevel("optimizer_step kind \(kind) \(n)") { (kernels: Kernels<T>) in
        let memory = numbers.map { Fenced($0) }
        var o = snn_optimizer_step()
        (o.kind, o.n) = (Int64(kind), Int64(n))
        (o.lr, o.decay, o.shrink, o.a, o.b, o.eps, o.correction) = (lr, decay, shrink, a, b, eps, correction)
        o.flags = Int64(SNN_MAXIMIZE | SNN_DECAY | SNN_DECOUPLED | SNN_NESTEROV | SNN_STATE_1 | SNN_STATE_2 | SNN_STATE_3)
        o.param = UnsafeMutableRawPointer(memory[0].pointer)
        o.grad = UnsafeRawPointer(memory[1].pointer)
        o.states.0 = UnsafeMutableRawPointer(memory[2].pointer)
        o.states.1 = UnsafeMutableRawPointer(memory[3].pointer)
        o.states.2 = UnsafeMutableRawPointer(memory[4].pointer)
        kernels.table.optimizer_step(&o)
        return fenced(memory, "optimizer_step")
    } _: { _, y in
        var expected = numbers.map { $0.map { Double($0) } }
        for i in 0..<n {
            var p = expected[0][i], s = (expected[2][i], expected[3][i], expected[4][i])
            var g = -expected[1][i] + decay * p
            switch Int32(kind) {
            case Int32(SNN_SGD):
                s.0 = a * s.0 + (1 - b) * g
                p -= lr * (g + a * s.0)
            case Int32(SNN_ADAM):
                p *= shrink
                s.0 = a * s.0 + (1 - a) * g
                s.1 = b * s.1 + (1 - b) * g * g
                s.2 = max(s.2, s.1)
                p -= lr * s.0 / (s.2.squareRoot() / correction + eps)
            case Int32(SNN_RMSPROP):
                s.0 = b * s.0 + (1 - b) * g * g
                s.2 = b * s.2 + (1 - b) * g
                g /= (s.0 - s.2 * s.2).squareRoot() + eps
                s.1 = a * s.1 + g
                p -= lr * s.1
            default:
                s.0 += g * g
                p -= lr * g / (s.0.squareRoot() + eps)
            }
            (expected[0][i], expected[2][i], expected[3][i], expected[4][i]) = (p, s.0, s.1, s.2)
        }
        return near(y, expected.flatMap { $0 })
    }
}

private func absolutesCase<T: Number>(_ n: Int, _: T.Type) {
    var draw = Draw(n)
    let source: [T] = draw.numbers(n)
    onEveryLevel("absolutes \(n)") { (kernels: Kernels<T>) in
        let x = Fenced(source)
        return [T(kernels.table.absolutes(x.pointer, Int64(n), 0)), T(kernels.table.absolutes(x.pointer, Int64(n), 1))]
    } _: { _, y in
        let sizes = source.map { Double($0.magnitude) }
        return near(y, [sizes.reduce(0, +), sizes.max()!])
    }
    onEveryLevel("absolutes of a NaN") { (kernels: Kernels<T>) in
        let x = Fenced(source.dropLast() + [.nan])
        return [T(kernels.table.absolutes(x.pointer, Int64(n), 1))]
    } _: { _, y in
        y[0] != y[0] ? nil : "the largest is \(y[0])"
    }
}
