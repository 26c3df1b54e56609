// A gradient of a strided convolution's input, or a transposed convolution, by residues modulo the strides: the pixels of each are a
// convolution of stride 1 of dy with the taps that reach them, transposed and turned round.
import CSwiftNN

/// The pixels of one dimension with one residue modulo the stride, and the taps r with a multiple of the stride between them and dy.
struct StridePhase {
    /// Pixels first, first + stride, ...
    let first: Int, count: Int
    /// Taps tap, tap + step, ..., which lie `dilation` apart in dy.
    let tap: Int, step: Int, taps: Int
    let dilation: Int
    /// Border of dy before the first window and behind the last one; negative: what they do not reach.
    let before: Int, after: Int

    /// The number of residues that taps have.
    static func count(_ kernel: Int, _ stride: Int, _ dilation: Int) -> Int {
        min(kernel, stride / greatestCommonDivisor(stride, dilation))
    }

    init(tap: Int, _ shape: ConvolutionShape, vertical: Bool) {
        let stride = vertical ? shape.stride.h : shape.stride.w
        let given = vertical ? shape.dilation.h : shape.dilation.w
        let kernel = vertical ? shape.r : shape.s, length = vertical ? shape.h : shape.w, size = vertical ? shape.p : shape.q
        let pad = vertical ? shape.top : shape.left
        let divisor = greatestCommonDivisor(stride, given)
        self.tap = tap
        step = stride / divisor
        taps = ceilDivide(kernel - tap, step)
        dilation = given / divisor
        first = ((tap * given - pad) % stride + stride) % stride
        count = first < length ? ceilDivide(length - first, stride) : 0
        // Pixel `first` with tap `tap` sees dy at base.
        let base = (first + pad - tap * given) / stride
        before = (taps - 1) * dilation - base
        after = count + base - size
    }
}

private func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
    var (a, b) = (a, b)
    while b != 0 { (a, b) = (b, a % b) }
    return a
}

/// The part of dy that dx's pixels of a phase see, and the convolution of it that they are; without rows or columns where they see nothing.
func turnedConvolution<T: Element>(
    _ dy: UnsafePointer<T>, _ shape: ConvolutionShape, _ rows: StridePhase, _ columns: StridePhase
) -> (source: ArrayView<T>, turned: ConvolutionShape) {
    let top = max(0, -rows.before), left = max(0, -columns.before)
    let h = shape.p - top - max(0, -rows.after), w = shape.q - left - max(0, -columns.after)
    let pixels = shape.p * shape.q
    let source = ArrayView(
        data: dy + (top * shape.q + left), shape: Shape(shape.n, shape.o, h, w), strides: Shape(shape.o * pixels, pixels, shape.q, 1))
    return (source, turnedShape(shape, rows, columns, h: h, w: w))
}

/// The convolution that dx's pixels of a phase are, of the h x w part of dy that they see.
func turnedShape(_ shape: ConvolutionShape, _ rows: StridePhase, _ columns: StridePhase, h: Int, w: Int) -> ConvolutionShape {
    ConvolutionShape(
        n: shape.n, c: shape.o, h: h, w: w, o: shape.c, r: rows.taps, s: columns.taps, groups: shape.groups, stride: Spatial(h: 1, w: 1),
        dilation: Spatial(h: rows.dilation, w: columns.dilation), top: max(0, rows.before), bottom: max(0, rows.after),
        left: max(0, columns.before), right: max(0, columns.after), p: rows.count, q: columns.count)
}

/// out[c,o,u,v] = w[o, c, the u-th of the rows' taps from the end, the v-th of the columns' from the end] within every group.
func transposeFilters<T: Element>(
    _ w: UnsafePointer<T>, _ shape: ConvolutionShape, _ rows: StridePhase, _ columns: StridePhase, _ out: UnsafeMutablePointer<T>
) {
    let channels = shape.c / shape.groups, filters = shape.o / shape.groups
    let given = shape.r * shape.s, taps = rows.taps * columns.taps
    // Some filters at a time: their lines stay cached while all channels are taken from them.
    let perTask = min(filters, 16)
    let blocks = ceilDivide(filters, perTask)
    ThreadPool.run(shape.groups * blocks, threads: ThreadPool.threads(forWork: shape.o * channels * taps * 2)) { task, _ in
        let g = task / blocks, o0 = task % blocks * perTask
        for c in 0..<channels {
            for o in o0..<min(filters, o0 + perTask) {
                let from = w + ((g * filters + o) * channels + c) * given
                let to = out + ((g * channels + c) * filters + o) * taps
                if taps == given {
                    for i in 0..<taps { to[i] = from[taps &- 1 &- i] }
                    continue
                }
                var i = taps &- 1
                for u in 0..<rows.taps {
                    let row = from + ((rows.tap &+ u &* rows.step) &* shape.s &+ columns.tap)
                    for v in 0..<columns.taps {
                        to[i] = row[v &* columns.step]
                        i &-= 1
                    }
                }
            }
        }
    }
}

/// The filters of a convolution: a weight, or the taps of it that a gradient's pixels of one phase see, transposed and turned round.
struct Filters<T: Element> {
    private let weight: ArrayView<T>
    /// Whose cache keeps what is made of them.
    let array: UnsafePointer<snn_array>?
    private let turned: (shape: ConvolutionShape, rows: StridePhase, columns: StridePhase)?

    init(_ weight: ArrayView<T>, _ array: UnsafePointer<snn_array>?) {
        (self.weight, self.array) = (weight, array)
        turned = nil
    }
    /// Of the gradient of a convolution with this shape.
    init(
        _ weight: ArrayView<T>, _ array: UnsafePointer<snn_array>?, turned shape: ConvolutionShape, _ rows: StridePhase,
        _ columns: StridePhase
    ) {
        (self.weight, self.array) = (weight, array)
        turned = (shape, rows, columns)
    }

    func contiguous() throws(Failure) -> Contiguous<T> {
        let given = try Contiguous(weight)
        guard let (shape, rows, columns) = turned else { return given }
        defer { given.release() }
        let filters = try Scratch<T>(shape.c * shape.o / shape.groups * rows.taps * columns.taps)
        transposeFilters(given.data, shape, rows, columns, filters.base)
        return Contiguous(filters)
    }

    /// The key of their panels.
    func panels(groups: Int, width: Int) -> PreparedKey {
        guard let (_, rows, columns) = turned else { return PreparedKey(kind: .filterPanels, a: groups, b: width) }
        return PreparedKey(
            kind: .turnedPanels, a: groups, b: width, rows: (rows.tap, rows.step), columns: (columns.tap, columns.step))
    }
}
