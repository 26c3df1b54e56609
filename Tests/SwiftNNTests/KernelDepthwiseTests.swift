// depthwise and depthwise_gradient against plain loops over numbers that need no rounding: exact.
import CSwiftNN
import Testing

extension AllTests {
    @Suite struct KernelDepthwiseTests {
        @Test func depthwise() {
            rows(Float.self)
            rows(Double.self)
        }
    }
}

private func rows<T: Number>(_: T.Type) {
    for (r, s, stride, dilation) in [(1, 1, 1, 1), (3, 3, 1, 1), (3, 3, 1, 2), (3, 3, 2, 1), (2, 5, 1, 2), (3, 2, 3, 1), (5, 5, 2, 2)] {
        for q in [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 65] {
            let plane = Plane<T>(r: r, s: s, stride: stride, dilation: dilation, p: 1 + q % 3, q: q)
            plane.forward()
            plane.gradient()
        }
    }
}

/// A plane and a filter of small multiples of powers of two: no rounding on any level.
private struct Plane<T: Number> {
    let r, s, stride, dilation, p, q: Int
    let width: Int
    let x: Fenced<T>, w: Fenced<T>, dy: Fenced<T>

    init(r: Int, s: Int, stride: Int, dilation: Int, p: Int, q: Int) {
        (self.r, self.s, self.stride, self.dilation, self.p, self.q) = (r, s, stride, dilation, p, q)
        width = (q - 1) * stride + (s - 1) * dilation + 1
        x = Fenced<T>(((p - 1) * stride + (r - 1) * dilation + 1) * width, 0)
        w = Fenced<T>(r * s, 0)
        dy = Fenced<T>(p * q, 0)
        for i in 0..<x.values.count { x.pointer[i] = T((i * 37) % 101 - 50) / 16 }
        for i in 0..<(r * s) { w.pointer[i] = T((i * 29) % 17 - 8) / 8 }
        for i in 0..<(p * q) { dy.pointer[i] = T((i * 23) % 13 - 6) / 4 }
    }
    var name: String { "\(r)x\(s) stride \(stride) dilation \(dilation) q \(q)" }
    func seen(_ i: Int, _ j: Int, _ u: Int, _ v: Int) -> T { x.pointer[(i * stride + u * dilation) * width + j * stride + v * dilation] }

    func forward() {
        var expected = [T]()
        for i in 0..<p {
            for j in 0..<q {
                var sum = T(0.25)
                for u in 0..<r {
                    for v in 0..<s { sum += w.pointer[u * s + v] * seen(i, j, u, v) }
                }
                expected.append(sum)
            }
        }
        let h = (p - 1) * stride + (r - 1) * dilation + 1
        // Whole planes, and rows of them in parts; two filters a plane; columns that lie apart.
        for (rows, multiplier, apart) in [(p, 1, 1), (1, 1, 1), (p, 2, 1), (p, 1, 2)] {
            let phase = (width / stride + 1 + 32) / 16 * 16
            let spread = Fenced<T>(h * width * apart, 0)
            for i in 0..<(h * width) { spread.pointer[i * apart] = x.pointer[i] }
            let filters = Fenced<T>(r * s * multiplier, 0)
            for i in 0..<(r * s * multiplier) { filters.pointer[i] = w.pointer[i % (r * s)] }
            let bias = Fenced<T>(multiplier, 0.25)
            onEveryLevel("depthwise \(name), \(rows) rows, \(multiplier) filters, columns \(apart) apart") { (kernels: Kernels<T>) in
                let y = Fenced<T>(multiplier * p * q, -99)
                let padded = Fenced<T>(h * stride * phase + 64, 0)
                var a = snn_depthwise()
                a.x = UnsafeRawPointer(spread.pointer)
                (a.cs, a.hs, a.ws) = (0, Int64(width * apart), Int64(apart))
                (a.h, a.w) = (Int64(h), Int64(width))
                a.filters = UnsafeRawPointer(filters.pointer)
                (a.r, a.s, a.p, a.q) = (Int64(r), Int64(s), Int64(p), Int64(q))
                (a.dilation_h, a.dilation_w) = (Int64(dilation), Int64(dilation))
                (a.stride_h, a.stride_w) = (Int64(stride), Int64(stride))
                a.bias = UnsafeRawPointer(bias.pointer)
                a.y = UnsafeMutableRawPointer(y.pointer)
                (a.channels, a.multiplier, a.planes, a.rows) = (1, Int64(multiplier), 1, Int64(rows))
                (a.padded, a.phase) = (UnsafeMutableRawPointer(padded.pointer), Int64(phase))
                kernels.table.depthwise(&a)
                if !y.isIntact || !padded.isIntact { report("depthwise on \(kernels.name) wrote in front of its memory") }
                return y.values
            } _: { _, result in
                exactly(result, multiplier == 1 ? expected : expected + expected)
            }
        }
    }

    /// The plane once more with the columns of each residue modulo the stride together, nothing behind its last row.
    func gradient() {
        var expected = [T](repeating: 1, count: r * s)
        for (u, v) in (0..<(r * s)).map({ ($0 / s, $0 % s) }) {
            for i in 0..<p {
                for j in 0..<q { expected[u * s + v] += dy.pointer[i * q + j] * seen(i, j, u, v) }
            }
        }
        let phase = (width + stride - 1) / stride
        let h = (p - 1) * stride + (r - 1) * dilation + 1
        let phases = Fenced<T>(h * stride * phase, 0)
        for i in 0..<h {
            for j in 0..<width { phases.pointer[i * stride * phase + j % stride * phase + j / stride] = x.pointer[i * width + j] }
        }
        onEveryLevel("depthwise_gradient \(name)") { (kernels: Kernels<T>) in
            let sums = Fenced<T>(r * s, 1)
            var a = snn_depthwise_gradient()
            a.x = UnsafeRawPointer(phases.pointer)
            a.hs = Int64(stride * phase)
            a.dy = UnsafeRawPointer(dy.pointer)
            (a.r, a.s, a.p, a.q) = (Int64(r), Int64(s), Int64(p), Int64(q))
            (a.stride_h, a.dilation_h, a.dilation_w) = (Int64(stride), Int64(dilation), Int64(dilation))
            (a.phases, a.phase) = (Int64(stride), Int64(phase))
            a.sums = UnsafeMutableRawPointer(sums.pointer)
            kernels.table.depthwise_gradient(&a)
            if !sums.isIntact { report("depthwise_gradient on \(kernels.name) wrote in front of its memory") }
            return sums.values
        } _: { _, result in
            exactly(result, expected)
        }
    }
}
