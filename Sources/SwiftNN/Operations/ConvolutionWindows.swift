// The windows of a convolution in panels (im2col). Images that are padded, and those in which pixels side by side in the result lie apart, are
// copied first: the rows that a block of pixels sees, of some channels at a time, which are gathered while the nearest caches hold them.
import CSwiftNN

struct Windows<T: Element> {
    private let x: ArrayView<T>
    private let shape: ConvolutionShape
    private let copied: Bool
    private var pixels: Int { shape.p * shape.q }
    private var taps: Int { shape.r * shape.s }
    private var channels: Int { shape.c / shape.groups }
    /// Numbers that a copy takes.
    let room: Int

    /// For blocks of at most so many pixels, which may go from one image to the next, and rows of windows copied at a time.
    init(_ x: ArrayView<T>, _ shape: ConvolutionShape, block: Int, acrossImages: Bool, rows: Int) {
        self.x = x
        self.shape = shape
        // The columns of every residue modulo the stride then stand together.
        let apart = shape.w > 1 && x.strides[3] != 1
        // What only one window sees is picked from where it lies.
        copied = shape.isPadded || shape.phases > 1 || (apart && !(x.strides[3] == 2 && shape.r * shape.s == 1))
        let planes = min(shape.c / shape.groups, rows / (shape.r * shape.s) + 2)
        let images = acrossImages ? min(shape.n, (block + shape.p * shape.q - 2) / (shape.p * shape.q) + 1) : 1
        let most = images > 1 ? shape.p : min(shape.p, (block + shape.q - 2) / shape.q + 1)
        room = copied ? roundUp(images * planes * Windows.size(shape, Windows.rows(shape, most)), 16) : 0
    }

    /// Rows of a padded image that so many rows of the result see.
    private static func rows(_ shape: ConvolutionShape, _ p: Int) -> Int { (p - 1) * shape.stride.h + (shape.r - 1) * shape.dilation.h + 1 }

    /// Numbers of a channel's copy: the rows and columns of each residue modulo the strides in a plane of their own, so that windows side by
    /// side, and one below the other, are as near as can be.
    private static func size(_ shape: ConvolutionShape, _ rows: Int) -> Int {
        min(shape.stride.h, rows) * shape.phases * ceilDivide(rows, shape.stride.h) * shape.phase
    }

    /// The call that gathers rows k0 ..< k0 + k of the windows of `count` pixels, counted over all images, or some of these rows. It lacks the
    /// panels and their memory. memory: `room` numbers.
    func panels(group g: Int, first: Int, count: Int, k0: Int, k: Int, memory: UnsafeMutablePointer<T>) -> snn_im2col {
        var source = x.data + g * channels * x.strides[1]
        var strides = (n: x.strides[0], c: x.strides[1], h: x.strides[2], w: x.strides[3])
        var plane = 0
        if copied {
            let end = first + count - 1
            let images = (first / pixels, end / pixels), rows = (first % pixels / shape.q, end % pixels / shape.q)
            let planes = (k0 / taps)..<ceilDivide(k0 + k, taps)
            // Of one image nothing above the first row is there, of several all rows have their places.
            let above = images.0 == images.1 ? rows.0 : 0
            let height = Windows.rows(shape, images.0 == images.1 ? rows.1 - rows.0 + 1 : shape.p)
            let size = Windows.size(shape, height)
            plane = ceilDivide(height, shape.stride.h) * shape.phase
            strides = (n: planes.count * size, c: size, h: shape.phase, w: 1)
            for n in images.0...images.1 {
                let p = n == images.0 ? rows.0 : 0, last = n == images.1 ? rows.1 : shape.p - 1
                copy(
                    source + (n * x.strides[0] + planes.lowerBound * x.strides[1]), channels: planes.count, row: p * shape.stride.h,
                    rows: Windows.rows(shape, last - p + 1), memory + ((n - images.0) * strides.n + (p - above) * strides.h),
                    channel: strides.c, plane: plane)
            }
            source = UnsafePointer(memory - (images.0 * strides.n + planes.lowerBound * strides.c + above * strides.h))
        }
        return snn_im2col(
            src: source, ns: Int64(strides.n), cs: Int64(strides.c), hs: Int64(strides.h), ws: Int64(strides.w), r: Int64(shape.r),
            s: Int64(shape.s), stride_h: copied ? 1 : Int64(shape.stride.h), stride_w: 1, dilation_h: Int64(shape.dilation.h),
            dilation_w: Int64(shape.dilation.w), phases: Int64(shape.phases), phase: Int64(plane),
            row_phases: copied ? Int64(shape.stride.h) : 1, row_phase: Int64(shape.phases * plane), q: Int64(shape.q),
            pixels: Int64(pixels), k0: Int64(k0), k: Int64(k), p0: Int64(first), p: Int64(count), dst: nil, width: 0, row: 0, panel: 0,
            runs: nil)
    }

    /// Whether rows of outputs are so short that numbers are fetched one by one sooner than rows are padded and found.
    var picks: Bool { taps > 1 && (shape.q <= 2 || shape.q == 3 && shape.stride.w > 2) }
    /// Numbers of what `seen` fills for `count` pixels.
    func seenSize(_ count: Int) -> Int { taps * count }

    /// Stands for a pixel outside. Others may have negative places: an image may be turned round in memory.
    private var outside: Int64 { .min }
    /// Where in a channel each tap of each pixel is.
    func seen(first: Int, count: Int, _ places: UnsafeMutablePointer<Int64>) {
        for i in 0..<count {
            let n = (first + i) / pixels, p = (first + i) % pixels / shape.q, q = (first + i) % shape.q
            for r in 0..<shape.r {
                let h = p * shape.stride.h + r * shape.dilation.h - shape.top
                for s in 0..<shape.s {
                    let w = q * shape.stride.w + s * shape.dilation.w - shape.left
                    let inside = h >= 0 && h < shape.h && w >= 0 && w < shape.w
                    places[(r * shape.s + s) * count + i] = inside ? Int64(n * x.strides[0] + h * x.strides[2] + w * x.strides[3]) : outside
                }
            }
        }
    }

    /// Rows k0 ..< k0 + k of the windows that `seen` found, in panels of `height` pixels, number i of each k at `row` * k + i.
    func pick(
        group g: Int, _ places: UnsafePointer<Int64>, count: Int, k0: Int, k: Int, height: Int, row: Int, panel: Int,
        _ out: UnsafeMutablePointer<T>
    ) {
        for start in stride(from: 0, to: count, by: height) {
            let to = out + start / height * panel, some = min(height, count - start)
            for i in 0..<k {
                let from = x.data + (g * channels + (k0 + i) / taps) * x.strides[1]
                let place = places + (k0 + i) % taps * count + start, line = to + i * row
                for j in 0..<some { line[j] = place[j] == outside ? 0 : from[Int(place[j])] }
                for j in some..<height { line[j] = 0 }
            }
        }
    }

    /// Rows of padded channels; the first is one of residue 0.
    private func copy(
        _ from: UnsafePointer<T>, channels: Int, row: Int, rows: Int, _ out: UnsafeMutablePointer<T>, channel: Int, plane: Int
    ) {
        let step = shape.stride.h, residues = shape.residues
        for f in 0..<min(residues.h, rows) {
            let first = row + f, all = ceilDivide(rows - f, step)
            let above = min(ceilDivide(max(shape.top - first, 0), step), all)
            let inside = max(min(ceilDivide(max(shape.top + shape.h - first, 0), step), all) - above, 0)
            var p = snn_pad(
                src: from + (inside > 0 ? (first + above * step - shape.top) * x.strides[2] : 0), cs: Int64(x.strides[1]),
                hs: Int64(step * x.strides[2]), ws: Int64(x.strides[3]), planes: Int64(channels), h: Int64(inside), w: Int64(shape.w),
                top: Int64(above), bottom: Int64(all - above - inside), left: Int64(shape.left), phases: Int64(shape.phases),
                residues: Int64(residues.w), phase: Int64(shape.phase), dst: out + f * shape.phases * plane, plane: Int64(channel),
                row: Int64(shape.phase), step: Int64(plane))
            T.kernels.pointee.pad(&p)
        }
    }
}
