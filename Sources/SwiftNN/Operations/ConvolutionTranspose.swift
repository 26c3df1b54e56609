import CSwiftNN

/// y[n,o,i,j] = bias[o] + Σ_c,r,s x[n, c, (i + pad - r*dilation) / stride, ...] w[c,o,r,s] where the division has no rest: the gradient of the
/// input of the convolution that has these filters, and x for the gradient of its result.
///
/// Threads: those of the convolutions that it is; planes for the bias.
@_cdecl("snn_conv_transpose_forward") @implementation
public func snn_conv_transpose_forward(_ args: UnsafePointer<snn_conv_transpose_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "conv_transpose") == Int32(SNN_FLOAT32) {
            try convTransposeForward(args.pointee, Float.self)
        } else {
            try convTransposeForward(args.pointee, Double.self)
        }
    }
}

private func convTransposeForward<T: Element>(_ args: snn_conv_transpose_forward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "conv_transpose"
    let given = try view(args.x, "input", name, T.self), weight = try view(args.weight, "weight", name, T.self)
    let call = try TransposedCall(
        given.shape, weight.shape,
        Steps(
            stride: (args.stride, args.stride_count), padding: (args.padding, args.padding_count),
            outputPadding: (args.output_padding, args.output_padding_count), dilation: (args.dilation, args.dilation_count),
            groups: args.groups),
        name)
    let shape = call.shape
    let bias = try optionalView(args.bias, "bias", name, T.self)
    try require(bias, Shape(shape.c), "bias", name)
    guard try output(args.y, T.dtype, call.result) else { return }
    if call.result.size == 0 { return }
    let y = args.y.pointee.data(T.self)
    let x = try Contiguous(given)
    defer { x.release() }
    try inputGradient(x.data, call.widened(weight), args.weight, shape, y)
    guard let bias else { return }
    let b = try Contiguous(bias)
    defer { b.release() }
    let pixels = shape.h * shape.w
    ThreadPool.run(shape.n * shape.c, threads: ThreadPool.threads(forWork: call.result.size)) { plane, _ in
        let at = y + plane * pixels
        T.kernels.pointee.scale_shift(at, 1, Double(b.data[plane % shape.c]), at, Int64(pixels))
    }
}

/// dx[n,c,p,q] = Σ_o,r,s dy[n, o, p*stride + r*dilation - pad, ...] w[c,o,r,s], a convolution; dw[c,o,r,s] = Σ_n,p,q x[n,c,p,q] dy[n, o,
/// p*stride + r*dilation - pad, ...]; dbias[o] = Σ_n,i,j dy[n,o,i,j].
///
/// Threads: those of the convolution and of the gradient of its filters; dbias channels.
@_cdecl("snn_conv_transpose_backward") @implementation
public func snn_conv_transpose_backward(_ args: UnsafePointer<snn_conv_transpose_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "conv_transpose_backward") == Int32(SNN_FLOAT32) {
            try convTransposeBackward(args.pointee, Float.self)
        } else {
            try convTransposeBackward(args.pointee, Double.self)
        }
    }
}

private func convTransposeBackward<T: Element>(_ args: snn_conv_transpose_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "conv_transpose_backward"
    let given = try view(args.dy, "dy", name, T.self)
    let x = try view(args.x, "input", name, T.self), weight = try view(args.weight, "weight", name, T.self)
    let call = try TransposedCall(
        x.shape, weight.shape,
        Steps(
            stride: (args.stride, args.stride_count), padding: (args.padding, args.padding_count),
            outputPadding: (args.output_padding, args.output_padding_count), dilation: (args.dilation, args.dilation_count),
            groups: args.groups),
        name)
    let shape = call.shape
    try require(given, call.result, "dy", name)
    let hasX = try outputIfWanted(args.dx, T.dtype, x.shape)
    let hasWeight = try outputIfWanted(args.dweight, T.dtype, weight.shape)
    let hasBias = try outputIfWanted(args.dbias, T.dtype, Shape(shape.c))
    guard hasX && hasWeight && hasBias else { return }
    let dy = call.widened(call.batched ? given : given.inserting(at: 0))
    if let dbias = args.dbias?.pointee.data(T.self) {
        let planes = try Contiguous(dy)
        defer { planes.release() }
        sumPlanes(planes.data, n: shape.n, channels: shape.c, pixels: shape.h * shape.w, dbias)
    }
    if let dx = args.dx?.pointee.data(T.self), x.shape.size > 0 {
        try convolveAnyhow(dy, call.widened(weight), args.weight, shape, Epilogue(), dx)
    }
    if let dweight = args.dweight?.pointee.data(T.self), weight.shape.size > 0 {
        let pixels = try Contiguous(x)
        defer { pixels.release() }
        try filterGradient(pixels.data, dy, shape, dweight)
    }
}

/// The numbers of a call as they are given.
private struct Steps {
    typealias Numbers = (values: UnsafePointer<Int64>?, count: Int64)
    let stride: Numbers, padding: Numbers, outputPadding: Numbers, dilation: Numbers
    let groups: Int64
}

/// The convolution of the result that has x for its own result, of arguments that fit each other.
private struct TransposedCall {
    let shape: ConvolutionShape
    let result: Shape
    let batched: Bool
    private let dims: Int

    @inline(never)
    init(_ given: Shape, _ weight: Shape, _ steps: Steps, _ name: StaticString) throws(Failure) {
        guard weight.count == 3 || weight.count == 4 else {
            throw Message(name).text(": weight has shape ").shape(weight).text(
                "; expected (in_channels, out_channels / groups, *kernel_size)"
            )
            .shapeError
        }
        let dims = weight.count - 2, batched = given.count == dims + 2
        guard batched || given.count == dims + 1 else {
            throw Message(name).text(": input has shape ").shape(given).text(
                dims == 2 ? "; expected 4 or 3 dimensions, (N, C, H, W) or (C, H, W)" : "; expected 3 or 2 dimensions, (N, C, L) or (C, L)"
            ).shapeError
        }
        (self.dims, self.batched) = (dims, batched)
        let first = batched ? 1 : 0
        let n = batched ? given[0] : 1, p = dims == 2 ? given[first + 1] : 1, q = given[first + dims]
        let stride = try Spatial(steps.stride.values, steps.stride.count, dims: dims, filler: 1, "stride", name)
        let dilation = try Spatial(steps.dilation.values, steps.dilation.count, dims: dims, filler: 1, "dilation", name)
        let padding = try Spatial(steps.padding.values, steps.padding.count, dims: dims, filler: 0, "padding", name)
        let more = try Spatial(steps.outputPadding.values, steps.outputPadding.count, dims: dims, filler: 0, "output_padding", name)
        try stride.requireAtLeast(1, "stride", name)
        try dilation.requireAtLeast(1, "dilation", name)
        try padding.requireAtLeast(0, "padding", name)
        try more.requireAtLeast(0, "output_padding", name)
        guard more.h < max(stride.h, dilation.h) && more.w < max(stride.w, dilation.w) else {
            let wide = more.w >= max(stride.w, dilation.w)
            throw Message(name).text(": output_padding is ").number(wide ? more.w : more.h).text("; it has to be less than stride = ")
                .number(wide ? stride.w : stride.h).text(" or dilation = ").number(wide ? dilation.w : dilation.h).valueError
        }
        let groups = Int(steps.groups), c = weight[0]
        guard groups >= 1 && c % groups == 0 else {
            throw Message(name).text(": groups is ").number(groups).text("; it has to be positive and divide in_channels = ").number(c)
                .valueError
        }
        guard given[first] == c else {
            throw Message(name).text(": input has shape ").shape(given).text(" with ").number(given[first]).text(" channels; expected ")
                .number(c).text(" channels (weight has shape ").shape(weight).text(")").shapeError
        }
        let r = dims == 2 ? weight[2] : 1, s = weight[1 + dims]
        guard r > 0 && s > 0 && weight[1] > 0 && p > 0 && q > 0 else {
            throw Message(name).text(": input has shape ").shape(given).text(" and weight ").shape(weight)
                .text("; sizes of 0 are possible for the batch only").shapeError
        }
        let h = (p - 1) * stride.h - 2 * padding.h + dilation.h * (r - 1) + more.h + 1
        let w = (q - 1) * stride.w - 2 * padding.w + dilation.w * (s - 1) + more.w + 1
        guard h > 0 && w > 0 else {
            throw Message(name).text(": input of shape ").shape(given).text(" gives a result of ").number(h).text(" x ").number(w)
                .text("; use less padding").shapeError
        }
        shape = ConvolutionShape(
            n: n, c: weight[1] * groups, h: h, w: w, o: c, r: r, s: s, groups: groups, stride: stride, dilation: dilation,
            top: padding.h, bottom: padding.h, left: padding.w, right: padding.w, p: p, q: q)
        var result = Shape()
        if batched { result.append(shape.n) }
        result.append(shape.c)
        if dims == 2 { result.append(h) }
        result.append(w)
        guard result.isPossible else { throw Message(name).text(": the result would have shape ").shape(result).shapeError }
        self.result = result
    }

    /// An array with a batch, or a weight, with a second dimension.
    func widened<T: Element>(_ x: ArrayView<T>) -> ArrayView<T> { dims == 1 ? x.inserting(at: 2) : x }
}
