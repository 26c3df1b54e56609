// The table of C functions through which the frame reaches a level: the only thing that crosses its boundary. Every entry stands twice,
// because a C function cannot be made from a generic one. An entry calls a function that is @inline(never): in the body of a C function the
// compiler inlines nothing, in that of a Swift function everything it should.
import CSwiftNN

@inline(__always) private func f32(_ p: UnsafeRawPointer?) -> UnsafePointer<Float> {
    p.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
}
@inline(__always) private func f64(_ p: UnsafeRawPointer?) -> UnsafePointer<Double> {
    p.unsafelyUnwrapped.assumingMemoryBound(to: Double.self)
}
@inline(__always) private func f32(_ p: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<Float> {
    p.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
}
@inline(__always) private func f64(_ p: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<Double> {
    p.unsafelyUnwrapped.assumingMemoryBound(to: Double.self)
}

@inline(__always)
func fillKernelTables(_ single: UnsafeMutablePointer<snn_kernels>, _ double: UnsafeMutablePointer<snn_kernels>) {
    var s = snn_kernels()
    s.mr = Int64(Level.mr)
    s.nr = Int64(2 * FloatTile.lanes)
    s.wide_columns = Level.hasWideTile ? 3 * s.nr : 0
    s.lanes = Int64(FloatVector.lanes)
    s.strip_vectors = Int64(Level.stripVectors)
    s.gemm_block = { gemmBlock($0.unsafelyUnwrapped, Float.self) }
    s.small_product = { smallProduct($0.unsafelyUnwrapped, Float.self) }
    s.pack = { pack($0.unsafelyUnwrapped, Float.self) }
    s.im2col = { im2col($0.unsafelyUnwrapped, Float.self) }
    s.pad = { pad($0.unsafelyUnwrapped, Float.self) }
    s.winograd_input = { winogradInput($0.unsafelyUnwrapped, Float.self) }
    s.winograd_product = { winogradProduct($0.unsafelyUnwrapped, Float.self) }
    s.winograd_output = { winogradOutput($0.unsafelyUnwrapped, Float.self) }
    s.winograd_filter = { winogradFilter(f32($0), Int($1), f32($2), Int($3)) }
    s.winograd_turn = { winogradTurn(f32($0), Int($1), Int($2), Int($3), f32($4)) }
    s.winograd_gradient = { winogradGradient($0.unsafelyUnwrapped, Float.self) }
    s.winograd_outer = { winogradOuter($0.unsafelyUnwrapped, Float.self) }
    s.winograd_filter_gradient = { winogradFilterGradient(f32($0), Int($1), Int($2), Int($3), Int($4), f32($5), f32($6), Int($7)) }
    s.winograd_line = { winogradLine($0.unsafelyUnwrapped, Float.self) }
    s.winograd_line_product = { winogradLineProduct($0.unsafelyUnwrapped, Float.self) }
    s.depthwise = { depthwise($0.unsafelyUnwrapped, Float.self) }
    s.depthwise_gradient = { depthwiseGradient($0.unsafelyUnwrapped, Float.self) }
    s.copy = { copy(f32($0), Int($1), f32($2), Int($3)) }
    s.unary = { unary(Int($0), $1, $2, f32($3), f32($4), Int($5), Float.self) }
    s.stream = { streamCopy(f32($0), f32($1), Int($2)) }
    s.unary_backward = { unaryBackward(Int($0), $1, $2, f32($3), f32($4), f32($5), Int($6), Float.self) }
    s.add = { add(f32($0), f32($1), f32($2), Int($3)) }
    s.copy_rows = { copyRows(f32($0), Int($1), f32($2), Int($3), Int($4), Int($5)) }
    s.transpose = { transpose(f32($0), Int($1), f32($2), Int($3), Int($4), Int($5)) }
    s.combine = { combine(Int($0), f32($1), Int($2), f32($3), Int($4), f32($5), Int($6)) }
    s.add_rows = { addRows(f32($0), Int($1), f32($2), Int($3), Int($4), Int($5)) }
    s.scale_shift = { scaleShift(f32($0), Float($1), Float($2), f32($3), Int($4)) }
    s.dot = { Double(dot(f32($0), f32($1), Int($2))) }
    s.sum = { Double(sum(f32($0), Int($1))) }
    s.moments = { (x, n, mean, variance) in
        let m = moments(f32(x), Int(n))
        mean.unsafelyUnwrapped.pointee = Double(m.mean)
        variance.unsafelyUnwrapped.pointee = Double(m.variance)
    }
    s.mean_square = { Double(meanSquare(f32($0), Int($1))) }
    s.normalize = { (x, mean, rstd, weight, bias, y, n) in
        normalize(f32(x), Float(mean), Float(rstd), weight.map { f32($0) }, bias.map { f32($0) }, f32(y), Int(n))
    }
    s.normalize_backward = { normalizeBackward($0.unsafelyUnwrapped, Float.self) }
    s.centered_sums = { (dy, x, center, n, sum, dot) in
        let sums = centeredSums(f32(dy), f32(x), Float(center), Int(n))
        sum.unsafelyUnwrapped.pointee = Double(sums.sum)
        dot.unsafelyUnwrapped.pointee = Double(sums.dot)
    }
    s.affine = { affine($0.unsafelyUnwrapped, Float.self) }
    s.column_sums = { columnSums($0.unsafelyUnwrapped, Float.self) }
    s.sum_rows = { sumRows($0.unsafelyUnwrapped, Float.self) }
    s.negative_dot = { Double(negativeDot(f32($0), f32($1), Int($2))) }
    s.softmax_backward = { softmaxBackward(f32($0), f32($1), f32($2), Int($3), log: $4 != 0) }
    s.softmax_columns = { softmaxColumns($0.unsafelyUnwrapped, Float.self) }
    s.softmax_columns_backward = { softmaxColumnsBackward($0.unsafelyUnwrapped, Float.self) }
    s.softmax = { softmax(f32($0), f32($1), Int($2), log: $3 == 1, masked: $3 == 2) }
    s.mask_add = { add(f32($0), f32($1), f32($0), Int($2)) }
    s.mask_block = { block(f32($0), $1.unsafelyUnwrapped, Int($2), Int($3)) }
    s.scale = { scale(f32($0), Float($1), Int($2)) }
    s.multiply_adds = { multiplyAdds(Int($0), FloatTile.self) }
    s.pack_strips = { packStrips($0.unsafelyUnwrapped, Float.self) }
    s.recurrent = { recurrent($0.unsafelyUnwrapped, Float.self) }
    s.recurrent_backward = { recurrentBackward($0.unsafelyUnwrapped, Float.self) }
    s.max_pool = { maxPool($0.unsafelyUnwrapped, Float.self) }
    s.max_pool_pairs = { maxPoolPairs($0.unsafelyUnwrapped, Float.self) }
    s.avg_pool = { avgPool($0.unsafelyUnwrapped, Float.self) }
    s.adaptive_avg_pool = { adaptiveAvgPool($0.unsafelyUnwrapped, Float.self) }
    s.log_sum_exp = { (x, w, n, out) in
        let (largest, log, weighted) = logSumExp(f32(x), w.map { f32($0) }, Int(n))
        out.unsafelyUnwrapped[0] = Double(largest)
        out.unsafelyUnwrapped[1] = Double(log)
        out.unsafelyUnwrapped[2] = Double(weighted)
    }
    s.log_sum_exp_columns = { logSumExpColumns($0.unsafelyUnwrapped, Float.self) }
    s.exp_row = { expRow($0.unsafelyUnwrapped, Float.self) }
    s.multiply = { multiply(f32($0), f32($1), f32($2), Int($3)) }
    s.pointwise_loss = { (kind, part, alpha, x, t, w, y, n) in
        pointwiseLoss(Int(kind), Int(part), Float(alpha), f32(x), f32(t), w.map { f32($0) }, f32(y), Int(n), Float.self) ? 1 : 0
    }
    s.ctc_step = { ctcStep(f32($0), f32($1), f32($2), f32($3), Int($4)) }
    s.optimizer_step = { optimizerStep($0.unsafelyUnwrapped, Float.self) }
    s.absolutes = { Double(absolutes(f32($0), Int($1), largest: $2 != 0)) }
    s.dropout = { dropout($0.unsafelyUnwrapped, Float.self) }
    s.look = { look($0.unsafelyUnwrapped, Float.self) }
    s.sample = { sample($0.unsafelyUnwrapped, Float.self) }
    s.correlate = { correlate($0.unsafelyUnwrapped, Float.self) }
    s.scatter = { scatter($0.unsafelyUnwrapped, Float.self) }
    s.random_words = { randomWords(key: $0, first: $1, stream: $2, $3.unsafelyUnwrapped, blocks: Int($4)) }
    single.pointee = s

    var d = snn_kernels()
    d.mr = Int64(Level.mr)
    d.nr = Int64(2 * DoubleTile.lanes)
    d.wide_columns = Level.hasWideTile ? 3 * d.nr : 0
    d.lanes = Int64(DoubleVector.lanes)
    d.strip_vectors = Int64(Level.stripVectors)
    d.gemm_block = { gemmBlock($0.unsafelyUnwrapped, Double.self) }
    d.small_product = { smallProduct($0.unsafelyUnwrapped, Double.self) }
    d.pack = { pack($0.unsafelyUnwrapped, Double.self) }
    d.im2col = { im2col($0.unsafelyUnwrapped, Double.self) }
    d.pad = { pad($0.unsafelyUnwrapped, Double.self) }
    d.winograd_input = { winogradInput($0.unsafelyUnwrapped, Double.self) }
    d.winograd_product = { winogradProduct($0.unsafelyUnwrapped, Double.self) }
    d.winograd_output = { winogradOutput($0.unsafelyUnwrapped, Double.self) }
    d.winograd_filter = { winogradFilter(f64($0), Int($1), f64($2), Int($3)) }
    d.winograd_turn = { winogradTurn(f64($0), Int($1), Int($2), Int($3), f64($4)) }
    d.winograd_gradient = { winogradGradient($0.unsafelyUnwrapped, Double.self) }
    d.winograd_outer = { winogradOuter($0.unsafelyUnwrapped, Double.self) }
    d.winograd_filter_gradient = { winogradFilterGradient(f64($0), Int($1), Int($2), Int($3), Int($4), f64($5), f64($6), Int($7)) }
    d.winograd_line = { winogradLine($0.unsafelyUnwrapped, Double.self) }
    d.winograd_line_product = { winogradLineProduct($0.unsafelyUnwrapped, Double.self) }
    d.depthwise = { depthwise($0.unsafelyUnwrapped, Double.self) }
    d.depthwise_gradient = { depthwiseGradient($0.unsafelyUnwrapped, Double.self) }
    d.copy = { copy(f64($0), Int($1), f64($2), Int($3)) }
    d.unary = { unary(Int($0), $1, $2, f64($3), f64($4), Int($5), Double.self) }
    d.stream = { streamCopy(f64($0), f64($1), Int($2)) }
    d.unary_backward = { unaryBackward(Int($0), $1, $2, f64($3), f64($4), f64($5), Int($6), Double.self) }
    d.add = { add(f64($0), f64($1), f64($2), Int($3)) }
    d.copy_rows = { copyRows(f64($0), Int($1), f64($2), Int($3), Int($4), Int($5)) }
    d.transpose = { transpose(f64($0), Int($1), f64($2), Int($3), Int($4), Int($5)) }
    d.combine = { combine(Int($0), f64($1), Int($2), f64($3), Int($4), f64($5), Int($6)) }
    d.add_rows = { addRows(f64($0), Int($1), f64($2), Int($3), Int($4), Int($5)) }
    d.scale_shift = { scaleShift(f64($0), Double($1), Double($2), f64($3), Int($4)) }
    d.dot = { dot(f64($0), f64($1), Int($2)) }
    d.sum = { sum(f64($0), Int($1)) }
    d.moments = { (x, n, mean, variance) in
        let m = moments(f64(x), Int(n))
        mean.unsafelyUnwrapped.pointee = m.mean
        variance.unsafelyUnwrapped.pointee = m.variance
    }
    d.mean_square = { meanSquare(f64($0), Int($1)) }
    d.normalize = { (x, mean, rstd, weight, bias, y, n) in
        normalize(f64(x), mean, rstd, weight.map { f64($0) }, bias.map { f64($0) }, f64(y), Int(n))
    }
    d.normalize_backward = { normalizeBackward($0.unsafelyUnwrapped, Double.self) }
    d.centered_sums = { (dy, x, center, n, sum, dot) in
        let sums = centeredSums(f64(dy), f64(x), center, Int(n))
        sum.unsafelyUnwrapped.pointee = sums.sum
        dot.unsafelyUnwrapped.pointee = sums.dot
    }
    d.affine = { affine($0.unsafelyUnwrapped, Double.self) }
    d.column_sums = { columnSums($0.unsafelyUnwrapped, Double.self) }
    d.sum_rows = { sumRows($0.unsafelyUnwrapped, Double.self) }
    d.negative_dot = { negativeDot(f64($0), f64($1), Int($2)) }
    d.softmax_backward = { softmaxBackward(f64($0), f64($1), f64($2), Int($3), log: $4 != 0) }
    d.softmax_columns = { softmaxColumns($0.unsafelyUnwrapped, Double.self) }
    d.softmax_columns_backward = { softmaxColumnsBackward($0.unsafelyUnwrapped, Double.self) }
    d.softmax = { softmax(f64($0), f64($1), Int($2), log: $3 == 1, masked: $3 == 2) }
    d.mask_add = { add(f64($0), f64($1), f64($0), Int($2)) }
    d.mask_block = { block(f64($0), $1.unsafelyUnwrapped, Int($2), Int($3)) }
    d.scale = { scale(f64($0), Double($1), Int($2)) }
    d.multiply_adds = { multiplyAdds(Int($0), DoubleTile.self) }
    d.pack_strips = { packStrips($0.unsafelyUnwrapped, Double.self) }
    d.recurrent = { recurrent($0.unsafelyUnwrapped, Double.self) }
    d.recurrent_backward = { recurrentBackward($0.unsafelyUnwrapped, Double.self) }
    d.max_pool = { maxPool($0.unsafelyUnwrapped, Double.self) }
    d.max_pool_pairs = { maxPoolPairs($0.unsafelyUnwrapped, Double.self) }
    d.avg_pool = { avgPool($0.unsafelyUnwrapped, Double.self) }
    d.adaptive_avg_pool = { adaptiveAvgPool($0.unsafelyUnwrapped, Double.self) }
    d.log_sum_exp = { (x, w, n, out) in
        let (largest, log, weighted) = logSumExp(f64(x), w.map { f64($0) }, Int(n))
        out.unsafelyUnwrapped[0] = largest
        out.unsafelyUnwrapped[1] = log
        out.unsafelyUnwrapped[2] = weighted
    }
    d.log_sum_exp_columns = { logSumExpColumns($0.unsafelyUnwrapped, Double.self) }
    d.exp_row = { expRow($0.unsafelyUnwrapped, Double.self) }
    d.multiply = { multiply(f64($0), f64($1), f64($2), Int($3)) }
    d.pointwise_loss = { (kind, part, alpha, x, t, w, y, n) in
        pointwiseLoss(Int(kind), Int(part), Double(alpha), f64(x), f64(t), w.map { f64($0) }, f64(y), Int(n), Double.self) ? 1 : 0
    }
    d.ctc_step = { ctcStep(f64($0), f64($1), f64($2), f64($3), Int($4)) }
    d.optimizer_step = { optimizerStep($0.unsafelyUnwrapped, Double.self) }
    d.absolutes = { absolutes(f64($0), Int($1), largest: $2 != 0) }
    d.dropout = { dropout($0.unsafelyUnwrapped, Double.self) }
    d.look = { look($0.unsafelyUnwrapped, Double.self) }
    d.sample = { sample($0.unsafelyUnwrapped, Double.self) }
    d.correlate = { correlate($0.unsafelyUnwrapped, Double.self) }
    d.scatter = { scatter($0.unsafelyUnwrapped, Double.self) }
    d.random_words = { randomWords(key: $0, first: $1, stream: $2, $3.unsafelyUnwrapped, blocks: Int($4)) }
    double.pointee = d
}
