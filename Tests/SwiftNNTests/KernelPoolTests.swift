// max_pool_row and avg_pool_row against plain loops in the same order: exact.
import CSwiftNN
import Testing

extension AllTests {
    @Suite struct KernelPoolTests {
        @Test func maxPoolRow() {
            for row in PoolCase.all {
                maxPoolCase(row, Float.self)
                maxPoolCase(row, Double.self)
            }
        }
        @Test func avgPoolRow() {
            for row in PoolCase.all {
                avgPoolCase(row, Float.self)
                avgPoolCase(row, Double.self)
            }
        }
    }
}

private struct PoolCase {
    let w, ws, rows, dilationH, kernel, stride, padding, dilation: Int
    var q: Int { (w + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1 }
    var hs: Int { w * abs(ws) + 2 }
    /// Rows in front of the first one of the window.
    let h0 = 1
    var start: Int { ws < 0 ? (w - 1) * -ws : 0 }
    var count: Int { (h0 + (rows - 1) * dilationH) * hs + (w - 1) * abs(ws) + 1 }
    func index(_ r: Int, _ column: Int) -> Int { start + (h0 + r * dilationH) * hs + column * ws }
    /// The columns of window j that lie in the image.
    func columns(_ j: Int) -> [Int] {
        (0..<kernel).map { j * stride - padding + $0 * dilation }.filter { $0 >= 0 && $0 < w }
    }

    static let all: [PoolCase] = {
        var found: [PoolCase] = []
        for (kernel, stride, dilation) in [
            (1, 1, 1), (2, 1, 1), (2, 2, 1), (3, 1, 1), (3, 2, 1), (3, 3, 1), (2, 2, 3), (3, 1, 2), (3, 2, 2), (5, 2, 1), (7, 4, 1),
        ] {
            for padding in Set([0, kernel / 2]).sorted() {
                for w in [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 34, 35, 63, 64, 65, 66, 67, 130]
                where w + 2 * padding > dilation * (kernel - 1) {
                    for (rows, dilationH, ws) in [(1, 1, 1), (2, 1, 1), (3, 2, 1), (1, 1, 2), (3, 1, -1)] {
                        found.append(
                            PoolCase(
                                w: w, ws: ws, rows: rows, dilationH: dilationH, kernel: kernel, stride: stride, padding: padding,
                                dilation: dilation))
                    }
                }
            }
        }
        return found
    }()

    func run<T: Number>(_ x: Fenced<T>, _ kernels: Kernels<T>, indices: UnsafeMutablePointer<Int64>?, maximum: Bool) -> [T] {
        let y = Fenced<T>(q, -99)
        let reach = snn_pool_row_reach(Int64(w), Int64(padding), Int64(q), Int64(stride), Int64(kernel), Int64(dilation))
        let scratch = Fenced<T>(Int(reach), .nan)
        var row = snn_pool_row()
        row.x = UnsafeRawPointer(x.pointer + start)
        (row.hs, row.ws) = (Int64(hs), Int64(ws))
        (row.h0, row.h1, row.dilation_h) = (Int64(h0), Int64(rows), Int64(dilationH))
        (row.w, row.kernel_w, row.stride_w) = (Int64(w), Int64(kernel), Int64(stride))
        (row.pad_w, row.dilation_w, row.q) = (Int64(padding), Int64(dilation), Int64(q))
        row.y = UnsafeMutableRawPointer(y.pointer)
        row.indices = indices
        row.scratch = UnsafeMutableRawPointer(scratch.pointer)
        if maximum { kernels.table.max_pool_row(&row) } else { kernels.table.avg_pool_row(&row) }
        if !y.isIntact || !scratch.isIntact { report("pool \(self) on \(kernels.name) wrote in front of its memory") }
        return y.values
    }
}

private func maxPoolCase<T: Number>(_ row: PoolCase, _: T.Type) {
    for special in [false, true] {
        var draw = Draw(row.w + row.kernel)
        // few different values, so that maxima occur more than once
        let values: [T] = (0..<row.count).map { _ in
            let pick = draw.below(20)
            return special && pick < 2 ? .nan : special && pick < 8 ? -.infinity : T(draw.below(7) - 3)
        }
        let x = Fenced(values)
        var expected: [T] = []
        var places: [Int64] = []
        for j in 0..<row.q {
            // the first of equal maxima, the last NaN
            var best = -T.infinity
            var place: Int64 = -1
            for r in 0..<row.rows {
                for column in row.columns(j) {
                    let v = x[row.index(r, column)]
                    if place < 0 || v > best || v.isNaN {
                        best = v
                        place = Int64((row.h0 + r * row.dilationH) * row.w + column)
                    }
                }
            }
            if place < 0 {
                // nothing inside: where the window would begin, as PyTorch
                let first = (0...).lazy.map { j * row.stride - row.padding + $0 * row.dilation }.first { $0 >= 0 }!
                place = Int64(row.h0 * row.w + first)
            }
            expected.append(best)
            places.append(place)
        }
        for wanted in [false, true] {
            onEveryLevel("max_pool_row \(row) indices \(wanted)") { (kernels: Kernels<T>) in
                let indices = Fenced<Int64>(row.q, -7)
                let y = row.run(x, kernels, indices: wanted ? indices.pointer : nil, maximum: true)
                if wanted && (indices.values != places || !indices.isIntact) {
                    report("max_pool_row \(row) \(T.label) on \(kernels.name): indices \(indices.values), expected \(places)")
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
    let x = Fenced<T>(draw.numbers(row.count))
    // down the columns first, then along the row
    let expected: [T] = (0..<row.q).map { j in
        row.columns(j).reduce(0) { sum, column in
            sum + (1..<row.rows).reduce(x[row.index(0, column)]) { $0 + x[row.index($1, column)] }
        }
    }
    onEveryLevel("avg_pool_row \(row)") { (kernels: Kernels<T>) in
        row.run(x, kernels, indices: nil, maximum: false)
    } _: { _, y in
        exactly(y, expected)
    }
}
