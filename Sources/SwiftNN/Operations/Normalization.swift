import CSwiftNN

/// y = (x - mean) / sqrt(variance + eps) * weight + bias, mean and variance over the last dimensions. Threads: rows.
@_cdecl("snn_layer_norm_forward") @implementation
public func snn_layer_norm_forward(_ args: UnsafePointer<snn_layer_norm_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        let a = args.pointee
        if try floatType(a.x, "layer_norm") == Int32(SNN_FLOAT32) {
            try rowNorm(
                a.x, a.normalized_shape, a.normalized_shape_count, a.weight, a.bias, a.eps, center: true, a.y, "layer_norm", Float.self)
        } else {
            try rowNorm(
                a.x, a.normalized_shape, a.normalized_shape_count, a.weight, a.bias, a.eps, center: true, a.y, "layer_norm", Double.self)
        }
    }
}

/// y = x / sqrt(mean(x^2) + eps) * weight over the last dimensions. Threads: rows.
@_cdecl("snn_rms_norm_forward") @implementation
public func snn_rms_norm_forward(_ args: UnsafePointer<snn_rms_norm_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        let a = args.pointee
        if try floatType(a.x, "rms_norm") == Int32(SNN_FLOAT32) {
            try rowNorm(a.x, a.normalized_shape, a.normalized_shape_count, a.weight, nil, a.eps, center: false, a.y, "rms_norm", Float.self)
        } else {
            try rowNorm(
                a.x, a.normalized_shape, a.normalized_shape_count, a.weight, nil, a.eps, center: false, a.y, "rms_norm", Double.self)
        }
    }
}

private func rowNorm<T: Element>(
    _ input: UnsafePointer<snn_array>?, _ sizes: UnsafePointer<Int64>?, _ count: Int64, _ weightArray: UnsafePointer<snn_array>?,
    _ biasArray: UnsafePointer<snn_array>?, _ eps: Double, center: Bool, _ result: UnsafeMutablePointer<snn_array>?,
    _ name: StaticString, _: T.Type
) throws(Failure) {
    let x = try view(input, "input", name, T.self)
    var shape = Shape()
    for i in 0..<Int(min(count, Int64(SNN_MAX_DIMS))) { shape.append(Int(sizes.unsafelyUnwrapped[i])) }
    guard count >= 1, shape.count <= x.count, x.shape.slice(x.count - shape.count, x.count) == shape else {
        throw Message(name).text(": input has shape ").shape(x.shape).text("; its last dimensions have to be normalized_shape = ")
            .shape(shape).shapeError
    }
    let weight = try optionalView(weightArray, "weight", name, T.self)
    let bias = try optionalView(biasArray, "bias", name, T.self)
    try require(weight, shape, "weight", name)
    try require(bias, shape, "bias", name)
    guard try output(result, T.dtype, x.shape) else { return }
    let y = result.unsafelyUnwrapped.pointee.data(T.self)
    if x.size == 0 { return }
    let n = shape.size
    let w = try weight.map { (w) throws(Failure) in try Contiguous(w) }
    defer { w?.release() }
    let b = try bias.map { (b) throws(Failure) in try Contiguous(b) }
    defer { b?.release() }
    // The rows themselves have to be contiguous, not the array of rows.
    let rowView = ArrayView(data: x.data, shape: shape, strides: x.strides.slice(x.count - shape.count, x.count))
    let leading = x.count - shape.count
    var whole: Contiguous<T>?
    if !rowView.isContiguous { whole = try Contiguous(x) }
    defer { whole?.release() }
    let kernels = T.kernels
    let rows = x.size / n
    let perTask = max(1, 16_384 / n)
    ThreadPool.run(ceilDivide(rows, perTask), threads: ThreadPool.threads(forWork: x.size * 2)) { task, _ in
        for row in (task * perTask)..<min(rows, (task + 1) * perTask) {
            let from = whole.map { $0.data + row * n } ?? x.data + x.offset(row, dims: leading)
            var mean = 0.0, variance = 0.0
            if center {
                kernels.pointee.moments(from, Int64(n), &mean, &variance)
            } else {
                variance = kernels.pointee.mean_square(from, Int64(n))
            }
            kernels.pointee.normalize(from, mean, 1 / (variance + eps).squareRoot(), w?.data, b?.data, y + row * n, Int64(n))
        }
    }
}

/// Group norm: mean and variance over the channels of a group and all positions; weight and bias for each channel. Threads: groups.
@_cdecl("snn_group_norm_forward") @implementation
public func snn_group_norm_forward(_ args: UnsafePointer<snn_group_norm_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "group_norm") == Int32(SNN_FLOAT32) {
            try groupNormForward(args.pointee, Float.self)
        } else {
            try groupNormForward(args.pointee, Double.self)
        }
    }
}

private func groupNormForward<T: Element>(_ a: snn_group_norm_forward_args, _: T.Type) throws(Failure) {
    let x = try view(a.x, "input", "group_norm", T.self)
    let weight = try optionalView(a.weight, "weight", "group_norm", T.self)
    let bias = try optionalView(a.bias, "bias", "group_norm", T.self)
    guard x.count >= 2 else {
        throw Message("group_norm: input has shape ").shape(x.shape).text("; expected (N, C, ...)").shapeError
    }
    let channels = x.shape[1], groups = Int(a.groups)
    guard groups >= 1 && channels % groups == 0 else {
        throw Message("group_norm: num_groups is ").number(groups).text("; it has to be positive and divide the ").number(channels)
            .text(" channels of input ").shape(x.shape).valueError
    }
    try require(weight, Shape(channels), "weight", "group_norm")
    try require(bias, Shape(channels), "bias", "group_norm")
    guard try output(a.y, T.dtype, x.shape) else { return }
    if x.size == 0 { return }
    let y = a.y.pointee.data(T.self)
    let from = try Contiguous(x)
    defer { from.release() }
    let perGroup = channels / groups
    let plane = x.size / (x.shape[0] * channels)
    let n = perGroup * plane
    ThreadPool.run(x.shape[0] * groups, threads: ThreadPool.threads(forWork: x.size * 2)) { task, _ in
        let base = task * n
        var mean = 0.0, variance = 0.0
        T.kernels.pointee.moments(from.data + base, Int64(n), &mean, &variance)
        let rstd = 1 / (variance + a.eps).squareRoot()
        for c in 0..<perGroup {
            let channel = task % groups * perGroup + c
            channelAffine(from.data + (base + c * plane), mean, rstd, weight, bias, channel, y + (base + c * plane), plane)
        }
    }
}

/// y = (x - mean) * rstd * weight[c] + bias[c] as x * scale + shift
private func channelAffine<T: Element>(
    _ x: UnsafePointer<T>, _ mean: Double, _ rstd: Double, _ weight: ArrayView<T>?, _ bias: ArrayView<T>?, _ c: Int,
    _ y: UnsafeMutablePointer<T>, _ n: Int
) {
    let scale = rstd * (weight.map { Double($0.data[c * $0.strides[0]]) } ?? 1)
    let shift = bias.map { Double($0.data[c * $0.strides[0]]) } ?? 0
    // Centred first, so that a large mean does not cost digits.
    T.kernels.pointee.normalize(x, mean, scale, nil, nil, y, Int64(n))
    if shift != 0 { T.kernels.pointee.scale_shift(y, 1, shift, y, Int64(n)) }
}

/// Batch norm with given statistics. Threads: images and channels.
@_cdecl("snn_batch_norm_forward") @implementation
public func snn_batch_norm_forward(_ args: UnsafePointer<snn_batch_norm_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "batch_norm") == Int32(SNN_FLOAT32) {
            try batchNormForward(args.pointee, Float.self)
        } else {
            try batchNormForward(args.pointee, Double.self)
        }
    }
}

private func batchNormForward<T: Element>(_ a: snn_batch_norm_forward_args, _: T.Type) throws(Failure) {
    let x = try view(a.x, "input", "batch_norm", T.self)
    let mean = try view(a.mean, "running_mean", "batch_norm", T.self)
    let variance = try view(a.variance, "running_var", "batch_norm", T.self)
    let weight = try optionalView(a.weight, "weight", "batch_norm", T.self)
    let bias = try optionalView(a.bias, "bias", "batch_norm", T.self)
    guard x.count >= 2 else {
        throw Message("batch_norm: input has shape ").shape(x.shape).text("; expected (N, C, ...)").shapeError
    }
    let channels = x.shape[1]
    try require(mean, Shape(channels), "running_mean", "batch_norm")
    try require(variance, Shape(channels), "running_var", "batch_norm")
    try require(weight, Shape(channels), "weight", "batch_norm")
    try require(bias, Shape(channels), "bias", "batch_norm")
    guard try output(a.y, T.dtype, x.shape) else { return }
    if x.size == 0 { return }
    let y = a.y.pointee.data(T.self)
    let from = try Contiguous(x)
    defer { from.release() }
    let plane = x.size / (x.shape[0] * channels)
    let perTask = max(1, 8192 / plane)
    let rows = x.shape[0] * channels
    ThreadPool.run(ceilDivide(rows, perTask), threads: ThreadPool.threads(forWork: x.size)) { task, _ in
        for row in (task * perTask)..<min(rows, (task + 1) * perTask) {
            let c = row % channels
            let rstd = 1 / (Double(variance.data[c * variance.strides[0]]) + a.eps).squareRoot()
            channelAffine(
                from.data + row * plane, Double(mean.data[c * mean.strides[0]]), rstd, weight, bias, c, y + row * plane, plane)
        }
    }
}

/// Biased mean and variance of each channel over images and positions. Threads: channels.
@_cdecl("snn_batch_stats_forward") @implementation
public func snn_batch_stats_forward(_ args: UnsafePointer<snn_batch_stats_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "batch_norm") == Int32(SNN_FLOAT32) {
            try batchStatsForward(args.pointee, Float.self)
        } else {
            try batchStatsForward(args.pointee, Double.self)
        }
    }
}

private func batchStatsForward<T: Element>(_ a: snn_batch_stats_forward_args, _: T.Type) throws(Failure) {
    let x = try view(a.x, "input", "batch_norm", T.self)
    guard x.count >= 2 else {
        throw Message("batch_norm: input has shape ").shape(x.shape).text("; expected (N, C, ...)").shapeError
    }
    let images = x.shape[0], channels = x.shape[1]
    let hasMean = try output(a.mean, T.dtype, Shape(channels))
    let hasVariance = try output(a.variance, T.dtype, Shape(channels))
    guard hasMean && hasVariance else { return }
    let mean = a.mean.pointee.data(T.self), variance = a.variance.pointee.data(T.self)
    let from = try Contiguous(x)
    defer { from.release() }
    let plane = images * channels == 0 ? 0 : x.size / (images * channels)
    ThreadPool.run(channels, threads: ThreadPool.threads(forWork: x.size * 2)) { c, _ in
        // Mean of the images' means, then the variance as the mean of theirs plus that of their distances (in double).
        var sum = 0.0
        for i in 0..<images { sum += T.kernels.pointee.sum(from.data + (i * channels + c) * plane, Int64(plane)) }
        let center = sum / Double(images * plane)
        var squares = 0.0
        for i in 0..<images {
            var m = 0.0, v = 0.0
            T.kernels.pointee.moments(from.data + (i * channels + c) * plane, Int64(plane), &m, &v)
            squares += (v + (m - center) * (m - center)) * Double(plane)
        }
        mean[c] = T(center)
        variance[c] = T(squares / Double(images * plane))
    }
}
