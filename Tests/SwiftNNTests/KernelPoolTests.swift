// max_pool, avg_pool and adaptive_avg_pool against plain loops: exact.
import CSwiftNN
import Testing

extension AllTests {
    @Suite struct KernelPoolTests {
        @Test func maxPool() {
            for row in PoolCase.all {
                maxPoolCase(row, Float.self)
                maxPoolCase(row, Double.self)
            }
        }
        @Test func maxPoolPairs() {
            for (h, w) in [(2, 32), (3, 33), (6, 64), (7, 71), (4, 130)] {
                for wrong in [false, true] {
                    pairsCase(h, w, wrong, Float.self)
                    pairsCase(h, w, wrong, Double.self)
                }
            }
        }
        @Test func avgPool() {
            for row in PoolCase.all where row.dilation == 1 {
                avgPoolCase(row, Float.self)
                avgPoolCase(row, Double.self)
            }
        }
        @Test func adaptiveAvgPool() {
            for (h, w, p, q) in [(1, 1, 1, 1), (7, 7, 1, 1), (13, 33, 1, 1), (5, 130, 1, 1), (7, 9, 3, 4), (4, 40, 3, 17), (3, 5, 7, 9)] {
                adaptiveCase(h, w, p, q, Float.self)
                adaptiveCase(h, w, p, q, Double.self)
            }
        }
    }
}

/// The answer is the first number of the results, dx the others.
private func pairsCase<T: Number>(_ h: Int, _ w: Int, _ wrong: Bool, _: T.Type) {
    let p = h / 2, q = w / 2
    var draw = Draw(h * 1000 + w)
    let dy = Fenced<T>(draw.numbers(p * q))
    var at = (0..<(p * q)).map { i in Int64((2 * (i / q) + i * i % 3 % 2) * w + 2 * (i % q) + i * 7 % 5 % 2) }
    if wrong { at[p * q - 1] = 1 << 33 + at[p * q - 1] }
    let places = Fenced<Int64>(at)
    onEveryLevel("max_pool_pairs \(h) \(w) wrong \(wrong)") { (kernels: Kernels<T>) in
        let dx = Fenced<T>(h * w, -99)
        var pairs = snn_max_pool_pairs(
            h: Int64(h), w: Int64(w), p: Int64(p), q: Int64(q), dy: UnsafeRawPointer(dy.pointer), places: UnsafePointer(places.pointer),
            dx: UnsafeMutableRawPointer(dx.pointer))
        let answer = kernels.table.max_pool_pairs(&pairs)
        if !dx.isIntact { report("max_pool_pairs \(kernels.name) wrote beside its result") }
        return [T(answer)] + dx.values
    } _: { _, got in
        if wrong { return got[0] == 0 ? nil : "a place outside of its window was not seen" }
        var expected = [T](repeating: 0, count: h * w)
        for i in 0..<(p * q) { expected[Int(at[i])] += dy[i] }
        return exactly(got, [1] + expected)
    }
}

private struct PoolCase {
    let h, w, kernelH, kernel, strideH, stride, dilation: Int
    let padded: Bool
    var paddingH: Int { padded ? kernelH / 2 : 0 }
    var padding: Int { padded ? kernel / 2 : 0 }
    var p: Int { (h + 2 * paddingH - dilation * (kernelH - 1) - 1) / strideH + 1 }
    var q: Int { (w + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1 }
    /// Rows and planes stand apart, the last one ends where the memory does.
    var hs: Int { w + 2 }
    var cs: Int { h * hs + 3 }
    let planes = 3
    var count: Int { (planes - 1) * cs + (h - 1) * hs + w }
    /// Rows p0 ..< p of the result are computed.
    var p0: Int { p / 3 }

    /// The taps of window i of a dimension that lie in it.
    static func inside(_ i: Int, _ size: Int, _ kernel: Int, _ stride: Int, _ padding: Int, _ dilation: Int) -> [Int] {
        (0..<kernel).map { i * stride - padding + $0 * dilation }.filter { $0 >= 0 && $0 < size }
    }
    func rows(_ i: Int) -> [Int] { Self.inside(i, h, kernelH, strideH, paddingH, dilation) }
    func columns(_ j: Int) -> [Int] { Self.inside(j, w, kernel, stride, padding, dilation) }

    static let all: [PoolCase] = {
        var found: [PoolCase] = []
        for (kernelH, kernel, strideH, stride, dilation) in [
            (1, 1, 1, 1, 1), (2, 2, 2, 2, 1), (3, 3, 2, 2, 1), (3, 3, 1, 1, 1), (3, 3, 3, 3, 1), (4, 4, 4, 4, 1), (2, 2, 2, 2, 3),
            (3, 3, 1, 1, 2), (3, 3, 2, 2, 2), (2, 2, 3, 3, 1), (2, 4, 3, 2, 1), (5, 5, 2, 2, 1), (5, 7, 1, 1, 1), (1, 40, 1, 1, 1),
            (2, 7, 1, 5, 1), (3, 45, 1, 2, 1),
        ] {
            for padded in [false, true] {
                for w in [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 34, 63, 65, 66, 67, 130] {
                    for h in [1, 4, 9] {
                        let row = PoolCase(
                            h: h, w: w, kernelH: kernelH, kernel: kernel, strideH: strideH, stride: stride, dilation: dilation,
                            padded: padded)
                        let reach = row.h + 2 * row.paddingH > dilation * (kernelH - 1)
                        if reach && w + 2 * row.padding > dilation * (kernel - 1) { found.append(row) }
                    }
                }
            }
        }
        return found
    }()

    /// Numbers of all planes' rows p0 ..< p, plane by plane.
    func each<T>(_ body: (_ plane: Int, _ i: Int, _ j: Int) -> T) -> [T] {
        (0..<planes).flatMap { plane in (p0..<p).flatMap { i in (0..<q).map { body(plane, i, $0) } } }
    }

    func run<T: Number>(
        _ x: Fenced<T>, _ kernels: Kernels<T>, _ indices: Fenced<Int64>?, _ entry: (UnsafePointer<snn_pool>?) -> Void
    ) -> [T] {
        let y = Fenced<T>(planes * p * q, -99)
        let size = snn_pool_scratch(Int64(kernelH), Int64(kernel), Int64(stride), Int64(dilation), Int64(w), Int64(q))
        let scratch = Fenced<T>(Int(size), .nan)
        var a = snn_pool()
        a.x = UnsafeRawPointer(x.pointer)
        (a.cs, a.hs, a.h, a.w) = (Int64(cs), Int64(hs), Int64(h), Int64(w))
        (a.kernel_h, a.kernel_w, a.stride_h, a.stride_w) = (Int64(kernelH), Int64(kernel), Int64(strideH), Int64(stride))
        (a.pad_h, a.pad_w, a.dilation_h, a.dilation_w) = (Int64(paddingH), Int64(padding), Int64(dilation), Int64(dilation))
        (a.planes, a.p, a.q, a.p0, a.p1) = (Int64(planes), Int64(p), Int64(q), Int64(p0), Int64(p))
        a.y = UnsafeMutableRawPointer(y.pointer)
        a.indices = indices?.pointer
        a.count_pad = 0
        a.scratch = UnsafeMutableRawPointer(scratch.pointer)
        entry(&a)
        if !y.isIntact || !scratch.isIntact { report("pool \(self) on \(kernels.name) wrote in front of its memory") }
        let before = (0..<planes).allSatisfy { plane in (0..<(p0 * q)).allSatisfy { y[plane * p * q + $0] == -99 } }
        if !before { report("pool \(self) on \(kernels.name) wrote rows that were not asked for") }
        return each { plane, i, j in y[(plane * p + i) * q + j] }
    }
}

private func maxPoolCase<T: Number>(_ row: PoolCase, _: T.Type) {
    for special in [false, true] {
        var draw = Draw(row.w + row.kernel)
        // few different values, so that maxima occur more than once, zeros of both signs among them
        let values: [T] = (0..<row.count).map { _ in
            let pick = draw.below(20)
            let value = T(draw.below(5) - 3)
            return special && pick < 2 ? .nan : special && pick < 8 ? -.infinity : value == 0 && pick < 14 ? -0.0 : value
        }
        let x = Fenced(values)
        var places: [Int64] = []
        let expected: [T] = row.each { plane, i, j in
            // the first of equal maxima, the last NaN
            var best = -T.infinity
            var place: Int64 = -1
            for r in row.rows(i) {
                for column in row.columns(j) {
                    let v = x[plane * row.cs + r * row.hs + column]
                    if place < 0 || v > best || v.isNaN {
                        best = v
                        place = Int64(r * row.w + column)
                    }
                }
            }
            if place < 0 {
                // nothing inside: where the window would begin, as PyTorch
                let top = (0...).lazy.map { i * row.strideH - row.paddingH + $0 * row.dilation }.first { $0 >= 0 }!
                let left = (0...).lazy.map { j * row.stride - row.padding + $0 * row.dilation }.first { $0 >= 0 }!
                place = Int64(top * row.w + left)
            }
            places.append(place)
            return best
        }
        for wanted in [false, true] {
            onEveryLevel("max_pool \(row) indices \(wanted)") { (kernels: Kernels<T>) in
                let indices = Fenced<Int64>(row.planes * row.p * row.q, -7)
                let y = row.run(x, kernels, wanted ? indices : nil) { kernels.table.max_pool($0) }
                let found = row.each { plane, i, j in indices[(plane * row.p + i) * row.q + j] }
                if wanted && (found != places || !indices.isIntact) {
                    report("max_pool \(row) \(T.label) on \(kernels.name): indices \(found), expected \(places)")
                }
                return y
            } _: { _, y in
                exactly(y, expected)
            }
        }
    }
}

private func avgPoolCase<T: Number>(_ row: PoolCase, _: T.Type) {
    var draw = Draw(row.w + row.kernel)
    // small integers: the sums are exact in any order
    let x = Fenced<T>((0..<row.count).map { _ in T(draw.below(33) - 16) })
    let expected: [T] = row.each { plane, i, j in
        let (rows, columns) = (row.rows(i), row.columns(j))
        let sum = rows.reduce(T(0)) { sum, r in columns.reduce(sum) { $0 + x[plane * row.cs + r * row.hs + $1] } }
        return sum / T(rows.count * columns.count)
    }
    onEveryLevel("avg_pool \(row)") { (kernels: Kernels<T>) in
        row.run(x, kernels, nil) { kernels.table.avg_pool($0) }
    } _: { _, y in
        exactly(y, expected)
    }
}

private func adaptiveCase<T: Number>(_ h: Int, _ w: Int, _ p: Int, _ q: Int, _: T.Type) {
    var draw = Draw(h + w)
    let planes = 2, cs = h * w + 5
    let x = Fenced<T>((0..<(cs + h * w)).map { _ in T(draw.below(33) - 16) })
    var expected: [T] = []
    for plane in 0..<planes {
        for i in 0..<p {
            for j in 0..<q {
                let rows = (i * h / p)..<(((i + 1) * h + p - 1) / p), columns = (j * w / q)..<(((j + 1) * w + q - 1) / q)
                let sum = rows.reduce(T(0)) { sum, r in columns.reduce(sum) { $0 + x[plane * cs + r * w + $1] } }
                expected.append(sum / T(rows.count * columns.count))
            }
        }
    }
    onEveryLevel("adaptive_avg_pool \(h)x\(w) to \(p)x\(q)") { (kernels: Kernels<T>) in
        let y = Fenced<T>(planes * p * q, -99)
        let scratch = Fenced<T>(w, .nan)
        var a = snn_adaptive_pool()
        a.x = UnsafeRawPointer(x.pointer)
        (a.cs, a.h, a.w, a.planes, a.p, a.q) = (Int64(cs), Int64(h), Int64(w), Int64(planes), Int64(p), Int64(q))
        a.y = UnsafeMutableRawPointer(y.pointer)
        a.scratch = UnsafeMutableRawPointer(scratch.pointer)
        kernels.table.adaptive_avg_pool(&a)
        if !y.isIntact || !scratch.isIntact { report("adaptive_avg_pool on \(kernels.name) wrote in front of its memory") }
        return y.values
    } _: { _, y in
        exactly(y, expected)
    }
}
