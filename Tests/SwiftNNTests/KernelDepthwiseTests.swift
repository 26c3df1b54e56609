// depthwise_row against a plain loop in the same order of multiply-adds: exact.
import CSwiftNN
import Testing

extension AllTests {
    @Suite struct KernelDepthwiseTests {
        @Test func depthwiseRow() {
            rows(Float.self)
            rows(Double.self)
        }
    }
}

private func rows<T: Number>(_: T.Type) {
    for (r, s, stride, dilation) in [(1, 1, 1, 1), (3, 3, 1, 1), (3, 3, 2, 1), (2, 5, 1, 2), (3, 2, 3, 1), (5, 5, 2, 2)] {
        for q in [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 65] {
            row(r, s, stride, dilation, q, T.self)
        }
    }
}

private func row<T: Number>(_ r: Int, _ s: Int, _ stride: Int, _ dilation: Int, _ q: Int, _: T.Type) {
    let width = (q - 1) * stride + (s - 1) * dilation + 1
    // what whole vectors may read behind the last window
    let x = Fenced<T>((r - 1) * dilation * width + width + 32 * stride + 32, 0)
    let w = Fenced<T>(r * s, 0)
    for i in 0..<x.values.count { x.pointer[i] = T((i * 37) % 101 - 50) / 16 }
    for i in 0..<(r * s) { w.pointer[i] = T((i * 29) % 17 - 8) / 8 }
    // the numbers are small multiples of powers of two: no rounding on any level
    var expected = [T]()
    for j in 0..<q {
        var sum = T(0.25)
        for i in 0..<r {
            for k in 0..<s { sum += w.pointer[i * s + k] * x.pointer[i * dilation * width + j * stride + k * dilation] }
        }
        expected.append(sum)
    }
    onEveryLevel("depthwise_row \(r)x\(s) stride \(stride) dilation \(dilation) q \(q)") { (kernels: Kernels<T>) in
        let y = Fenced<T>(q, -99)
        var p = snn_depthwise_row()
        p.x = UnsafeRawPointer(x.pointer)
        p.hs = Int64(width)
        p.w = UnsafeRawPointer(w.pointer)
        (p.r, p.s, p.q) = (Int64(r), Int64(s), Int64(q))
        (p.dilation_h, p.dilation_w, p.stride_w) = (Int64(dilation), Int64(dilation), Int64(stride))
        p.bias = 0.25
        p.y = UnsafeMutableRawPointer(y.pointer)
        kernels.table.depthwise_row(&p)
        if !y.isIntact { report("depthwise_row on \(kernels.name) wrote in front of its memory") }
        return y.values
    } _: { _, result in
        exactly(result, expected)
    }
}
